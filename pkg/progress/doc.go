// Package progress shows what a run does while it does it, and its table at the
// end.
//
// A run tells a [Sink] what happens, as an [Event] each. [New] makes the Sink
// that a person or a program looks at, a [Display]: a live view on a terminal,
// plain lines, JSON lines, or nothing. [RenderTable] and [Summary] are for the
// end of the run.
//
// Showing never holds up the run: Event does not wait for the terminal, and a
// writer that fails or does not take more only costs output. [HoldBrokenPipe]
// is needed for that where the output is a standard stream.
//
// # JSON lines
//
// In mode json each event is one object on one line. The fields and kinds are
// those of [Event] and [Kind]; they keep their names and meanings, and a reader
// has to ignore what it does not know. A field without a value is left out.
//
//	{"time":"2026-01-02T15:04:05Z","kind":"step-started","step":"send","index":7,"of":10,"hosts":16}
//	{"time":"2026-01-02T15:04:06Z","kind":"bytes","step":"send","sent":1048576,"total":4194304,"rate":1048576,"received":{"computer01":1048576}}
//	{"time":"2026-01-02T15:04:09Z","kind":"host-state","step":"verify","host":"computer01","state":"local"}
//	{"time":"2026-01-02T15:04:09Z","kind":"done","message":"16 hosts: 16 local"}
package progress
