package transfer

import (
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// An EventKind is what an Event tells.
type EventKind uint8

// The events of a Sender.
const (
	// Released: Block may leave memory. It may be asked for again in File mode.
	Released EventKind = iota + 1
	// Detached: Host is no longer waited for, because of Reason. It is to be
	// told by a DETACH and goes on receiving.
	Detached
	// Attached: Host is among those waited for, in the pass for the detached or since
	// it has caught up.
	Attached
	// Alone: Host gets what it lacks by REPAIRs only, because of Reason; it is to
	// be told by a DETACH, and will FETCH.
	Alone
	// Failed: Host is given up, because of Reason; its connection is to be
	// closed with a BYE.
	Failed
	// Completed: Host holds all there is.
	Completed
)

var eventNames = [...]string{Released: "released", Detached: "detached", Attached: "attached",
	Alone: "alone", Failed: "failed", Completed: "completed"}

// String returns the event's name.
func (k EventKind) String() string {
	if k == 0 || int(k) >= len(eventNames) {
		return fmt.Sprintf("event %d", uint8(k))
	}
	return eventNames[k]
}

// An Event is something that a Sender's caller has to act on.
type Event struct {
	Kind   EventKind
	Host   HostID
	Block  wire.Block
	Reason wire.Reason
}

// Events returns what has happened since the last call. The slice is valid until
// the Sender's next method is called.
func (s *Sender) Events() []Event {
	e := s.events
	s.events = s.events[:0]
	return e
}

func (s *Sender) tell(e Event) { s.events = append(s.events, e) }
