package transfer

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A member plays one host of a coreTest that tells what it likes; host 0 is honest and
// has everything.
func (c *coreTest) member(told func(received uint64) *wire.Report) (events []Event) {
	c.sendAll()
	c.Report(c.now, 0, &wire.Report{At: c.now, Counter: c.Counter(), Counters: wire.Counters{Received: c.Counter()}, Oldest: c.total, Next: c.total})
	c.Done(c.now, 0)
	for end := c.now + 2*time.Hour; c.now < end && !c.Finished(); {
		c.Tick(c.now)
		c.sendAll()
		r := told(c.Counter())
		r.At, r.Counter, r.Next = c.now, c.Counter(), c.total
		c.Report(c.now, 1, r)
		events = append(events, c.Events()...)
		c.now += 20 * time.Millisecond
	}
	return append(events, c.Events()...)
}

func wantFailed(t *testing.T, c *coreTest, events []Event, reason wire.Reason) {
	t.Helper()
	for _, e := range events {
		if e.Kind == Failed {
			if e.Host != 1 || e.Reason != reason {
				t.Errorf("host %d failed: %v, want host 1: %v", e.Host, e.Reason, reason)
			}
			if !c.Finished() || c.hosts[0].state != completed {
				t.Errorf("finished %v, the honest host is in state %d", c.Finished(), c.hosts[0].state)
			}
			return
		}
	}
	t.Errorf("after %v and %d packets the member is still served", c.now, c.Counter())
}

// TestFault57DeficitsForEver: a member claims to lack packets that it says to have
// received, whatever it is sent. It is served alone,
// asks for nothing there, and is given up by name.
func TestFault57DeficitsForEver(t *testing.T) {
	for name, packets := range map[string]uint8{"a few": 3, "many": 60, "all": wire.BlockPackets} {
		t.Run(name, func(t *testing.T) {
			c := newCoreTest(t, 20, 2)
			before := uint64(20 * wire.BlockPackets)
			events := c.member(func(received uint64) *wire.Report {
				r := &wire.Report{Counters: wire.Counters{Received: received}}
				for n := range wire.Block(20) {
					r.Deficits = append(r.Deficits, wire.Deficit{Block: n, Packets: packets})
				}
				return r
			})
			wantFailed(t, c, events, wire.Behind)
			if more := c.Counter() - before; more > 4*askFree {
				t.Errorf("%d packets were sent for it", more)
			}
		})
	}
}

// TestFault57LossForEver: a member claims to lose nearly all that is sent. It is served
// one to one in the end, asks for nothing there, and is given up.
func TestFault57LossForEver(t *testing.T) {
	c := newCoreTest(t, 20, 2)
	events := c.member(func(received uint64) *wire.Report {
		r := &wire.Report{Counters: wire.Counters{Received: received / 50}}
		for n := range wire.Block(20) {
			r.Deficits = append(r.Deficits, wire.Deficit{Block: n, Packets: wire.BlockPackets})
		}
		return r
	})
	wantFailed(t, c, events, wire.Behind)
	if most := uint64(20*wire.BlockPackets)*(askBudget+2) + 2*askFree; c.Counter() > most {
		t.Errorf("%d packets were sent, at most %d are due", c.Counter(), most)
	}
}

// TestFault57NeverDone: a member says to hold everything and never finishes.
func TestFault57NeverDone(t *testing.T) {
	c := newCoreTest(t, 20, 2)
	events := c.member(func(received uint64) *wire.Report {
		return &wire.Report{Counters: wire.Counters{Received: received}, Oldest: 20}
	})
	wantFailed(t, c, events, wire.Behind)
	if c.now < syncLimit || c.now > syncLimit+time.Minute {
		t.Errorf("it was given up after %v, %v are due", c.now, syncLimit)
	}
}
