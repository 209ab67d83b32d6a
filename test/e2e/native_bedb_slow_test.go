package e2e

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// slowSlack is what a run may take longer than another like it, on a machine that
// does other things: at this rate a run needs a tenth of a processor.
const slowSlack = 150 * time.Millisecond

// TestFaults10To30NobodyHoldsUpTheOthersOnBedB: a host that is slow, stopped, at 30 %
// loss or behind a filtered group costs the rest under 5 % of their time, against a
// run without it in the same lab. What becomes of the host itself is other tests'.
func TestFaults10To30NobodyHoldsUpTheOthersOnBedB(t *testing.T) {
	const mbit = 60
	b := newBedB(t, mbit, castConfig{Hosts: 3})
	sum := b.put(b.payload(2 * time.Second))
	bad := b.Host("h2")
	good := b.others(bad)
	without := b.calm(sum, good...)
	t.Logf("%v without another host", without)
	for _, tt := range []struct {
		name   string
		before func() error
		during func(*casting)
	}{
		{name: "a tenth of the rate", before: func() error { b.limit(bad, mbit/10); return nil }},
		{name: "30 % loss", before: func() error { return bad.Lose(30) }},
		{name: "no multicast", before: bad.FilterMulticast},
		{name: "stopped", during: func(c *casting) {
			c.awaitData(bad, int64(b.payload(500*time.Millisecond)))
			b.must(c.receives[bad].Signal(unix.SIGSTOP))
		}},
	} {
		b.measured(func() (wrong []string) {
			if tt.before != nil {
				b.must(tt.before())
			}
			c := b.begin(b.hosts)
			if tt.during != nil {
				tt.during(c)
			}
			r := c.cut(sum, good, bad)
			r.wantDone(good...)
			with := r.slowest(good...)
			cost := fmt.Sprintf("%s: the others took %v, %v without (%+.1f %%)", tt.name,
				with.Round(time.Millisecond), without.Round(time.Millisecond), 100*(with.Seconds()/without.Seconds()-1))
			t.Log(cost)
			if with > without*21/20+slowSlack {
				wrong = append(wrong, cost)
			}
			b.must(bad.Heal())
			b.limit(bad, mbit)
			b.clearParts(bad)
			return wrong
		})
	}
}

// clearParts removes what a receiver that was killed has left.
func (x *cast) clearParts(h *lab.Host) {
	x.t.Helper()
	x.clear()
	x.must(h.Shell(x.t.Context(), "rm -f "+outFile+".part"))
}
