package jasmine

import (
	"fmt"
	"net/netip"
)

// A State is how a client's session ended.
type State int

// The states.
const (
	Done    State = iota // it said that it has the whole stream
	Dropped              // it left, broke the protocol or was too slow
	Refused              // it never was in the session
)

func (s State) String() string {
	switch s {
	case Done:
		return "done"
	case Dropped:
		return "dropped"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// A ClientResult is what became of one connection.
type ClientResult struct {
	Addr   netip.AddrPort
	State  State
	Reason string // why it is not done
	Bytes  int64  // of the stream that it confirmed
	Resent int64  // packets sent to it again, by TCP
}

// A Result is what became of a session.
type Result struct {
	Clients  []ClientResult // in the order they came; at most maxRefused of the refused
	Expected int            // clients that were waited for
	Bytes    int64          // of the stream
	Packets  int64          // multicast
	Resent   int64          // packets sent again by TCP, over all clients
	Unsent   int64          // packets that did not leave this host by multicast
}

// Done counts the clients that have the whole stream.
func (r Result) Done() int { return r.count(Done) }

// Dropped counts the clients that were in the session and did not finish it.
func (r Result) Dropped() int { return r.count(Dropped) }

// Refused counts the connections that were turned away.
func (r Result) Refused() int { return r.count(Refused) }

// Complete reports whether as many clients as expected have the whole stream.
func (r Result) Complete() bool { return r.Done() >= r.Expected }

func (r Result) count(s State) (n int) {
	for _, c := range r.Clients {
		if c.State == s {
			n++
		}
	}
	return n
}
