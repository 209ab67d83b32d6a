package progress

import "time"

// A Kind says what an Event is about.
type Kind string

// The kinds, with the fields that an event of the kind has beside its time.
const (
	StepStarted Kind = "step-started" // step, index, of, hosts, share
	StepDone    Kind = "step-done"    // step
	HostState   Kind = "host-state"   // host, state, reason, step
	Bytes       Kind = "bytes"        // step, sent, total, rate, received
	Warning     Kind = "warning"      // message, and host when it is about one
	Log         Kind = "log"          // message: a line of the log, see Display.Write
	Done        Kind = "done"         // message
)

// An Event is one thing that happened in a run. It is not changed after it was
// given to a Sink, and neither is its map.
type Event struct {
	Time time.Time `json:"time"` // when it is zero, the Sink puts in its own time
	Kind Kind      `json:"kind"`

	Step  string  `json:"step,omitempty"`
	Index int     `json:"index,omitempty"` // of the step, from 1
	Of    int     `json:"of,omitempty"`    // how many steps the run has
	Share float64 `json:"share,omitempty"` // the part of the run's time, 0 to 1, that the step may take; 0 means 1/Of
	Hosts int     `json:"hosts,omitempty"` // how many hosts the run has

	Host   string `json:"host,omitempty"`
	State  string `json:"state,omitempty"` // a word; an Outcome when nothing follows it
	Reason string `json:"reason,omitempty"`

	Sent     int64            `json:"sent,omitempty"`     // bytes, since the step began
	Total    int64            `json:"total,omitempty"`    // bytes, of the step
	Rate     float64          `json:"rate,omitempty"`     // bytes a second; 0 means that it is not known
	Received map[string]int64 `json:"received,omitempty"` // bytes by host, since the step began; hosts may be left out

	Message string `json:"message,omitempty"`
}

// A Sink takes the events of a run. Event is safe for concurrent use, returns
// at once and cannot fail.
type Sink interface{ Event(Event) }

// Outcome is how a run ended for a host (R7).
type Outcome string

// The outcomes. They are also the last State of a host.
const (
	Local   Outcome = "local"   // its own registry serves every image
	Central Outcome = "central" // it leans on the central registry
	Failed  Outcome = "failed"
)

// isOutcome reports whether nothing follows a host's state.
func isOutcome(state string) bool {
	switch Outcome(state) {
	case Local, Central, Failed:
		return true
	}
	return false
}
