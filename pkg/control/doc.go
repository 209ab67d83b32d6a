// Package control carries the deploy server's calls to the program's half on a
// host, over any byte stream: the standard input and output of one SSH session.
//
// A [Client] makes calls; [Serve] answers them, each in a goroutine of its own,
// and reports events beside them. A call may carry a stream of bytes (a bundle)
// after its request. The answering side sends a beat every [BeatInterval], so
// that a peer that is frozen is told from one that is busy.
//
// # Format
//
// The answering side first sends the 8 bytes "DMCTRL\x00\x01", the last of which
// is the version. Everything after it, in both directions, is frames:
//
//	uint32  length of what follows, big-endian, 10 to MaxFrame bytes
//	uint8   type: 1 request, 2 response, 3 event, 4 data
//	uint8   flags: bit 0, more frames of this message follow; or bit 0 of data, more data follows
//	uint64  call number, big-endian; 0 in events
//	bytes   payload: JSON of request {method, body}, response {body, error},
//	        event {name, body}; of data, the bytes themselves
//
// A message may span frames; it holds at most MaxMessage bytes. The package does
// not encrypt, authenticate or reconnect: the stream under it does.
package control
