package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// withOne returns n hosts of which the first is h, and the numbers of the rest.
func withOne(n int, h Host) (hosts []Host, rest []int) {
	hosts = Same(n, Faults{})
	hosts[0] = h
	for i := 1; i < n; i++ {
		rest = append(rest, i)
	}
	return hosts, rest
}

// TestFaults10To16NobodyHoldsUpTheOthers: a host that is stopped, slow, at 30 %
// loss or behind a filtered group costs the rest under 5 % of their time, and has
// everything in the end if it lives. Print it with:
//
//	go test ./pkg/sim -run NobodyHoldsUp -v
func TestFaults10To16NobodyHoldsUpTheOthers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4, 16} {
		hosts, rest := withOne(n, Host{})
		base := Run(Config{Seed: 1, Hosts: hosts, Size: 256 * mb}).LastDone(rest...)
		for _, tt := range []struct {
			name   string
			host   Host
			reason wire.Reason // of being detached; 0 if it need not be
			isLost bool
		}{
			{"slow, a tenth", Host{OwnPort: &Port{Rate: gigabit / 10}}, wire.Slow, false},
			{"slow, a third", Host{OwnPort: &Port{Rate: gigabit / 3}}, wire.Slow, false},
			{"stopped for ever (11)", Host{StopAt: 500 * time.Millisecond}, wire.Silent, true},
			{"stopped for 5 s (10)", Host{StopAt: 500 * time.Millisecond, ContinueAt: 5500 * time.Millisecond}, wire.Silent, false},
			{"stopped from the start", Host{StopAt: 1}, wire.Silent, true},
			{"30 % lost", Host{Faults: Faults{Loss: .3}}, wire.Lossy, false},
			{"filtered (29, 30)", Host{Filtered: true, OwnPort: &Port{}}, wire.NoMulticast, false},
			{"crashed (7)", Host{LeaveAt: time.Second}, 0, true},
			{"late", Host{JoinAt: time.Second}, 0, false},
			{"late by 100 ms", Host{JoinAt: 100 * time.Millisecond}, 0, false},
		} {
			name := fmt.Sprintf("%s, 1 of %d", tt.name, n)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				hosts, rest := withOne(n, tt.host)
				r := Run(Config{Seed: 1, Hosts: hosts, Size: 256 * mb})
				last := r.LastDone(rest...)
				cost := last.Seconds()/base.Seconds() - 1
				t.Logf("%-24s 1 of %2d: costs the rest %5.2f %%; it is done after %.2f s, %v; egress %.2f", tt.name, n, 100*cost, r.Hosts[0].DoneAt.Seconds(), r.Hosts[0].Reason, 1+r.Overhead())
				if last == 0 || cost >= .05 {
					t.Errorf("the rest took %v, %v without it", last, base)
				}
				if got := r.Hosts[0]; tt.isLost == (got.DoneAt > 0) || tt.reason != 0 && got.Reason != tt.reason {
					t.Errorf("it ended as %+v", got)
				}
			})
		}
	}
}

// TestTheDetachedAreAGroup: four slow hosts of twelve are served after the others together,
// so that they cost one more copy at most, and nothing one by one.
func TestTheDetachedAreAGroup(t *testing.T) {
	t.Parallel()
	hosts := Same(12, Faults{})
	for i := range hosts[:4] {
		hosts[i].OwnPort = &Port{Rate: gigabit / 10}
	}
	r := Run(Config{Seed: 1, Hosts: hosts, Size: 128 * mb})
	mustFinish(t, "four slow", r)
	t.Logf("egress %.2f, one to one %d; the rest is done after %v, all after %v", 1+r.Overhead(), r.Repairs, r.LastDone(4, 5, 6, 7, 8, 9, 10, 11), r.LastDone())
	if r.Hosts[0].Detached == 0 || r.Repairs > 0 || r.Overhead() > 1.1 {
		t.Errorf("egress %.2f, of it %d packets one to one; a slow host: %+v", 1+r.Overhead(), r.Repairs, r.Hosts[0])
	}
}

// TestFault10CaughtUpIsAttachedAgain: a host that stopped for a moment early in a long
// session, and then does as well as the others, is waited for again in the main pass, so
// that it is done with them; one that comes and goes is left to a pass of its own.
func TestFault10CaughtUpIsAttachedAgain(t *testing.T) {
	t.Parallel()
	const rate = gigabit / 5
	const size = 640 * mb // 28 s
	hosts, rest := withOne(4, Host{})
	base := Run(Config{Seed: 1, Hosts: hosts, Size: size, MaxRate: rate}).LastDone()
	once := Host{StopAt: 500 * time.Millisecond, ContinueAt: 850 * time.Millisecond}
	hosts, _ = withOne(4, once)
	r := Run(Config{Seed: 1, Hosts: hosts, Size: size, MaxRate: rate})
	mustFinish(t, "stopped once", r)
	h, last := r.Hosts[0], r.LastDone(rest...)
	t.Logf("stopped once: detached %d times, attached again %d; it is done after %v, the rest after %v, %v without it; egress %.3f", h.Detached, h.Attached, h.DoneAt, last, base, 1+r.Overhead())
	if h.Detached != 1 || h.Attached != 1 || h.DoneAt > last+last/50 || last > base+base/20 {
		t.Errorf("it is done after %v, the rest after %v, %v without it: %+v", h.DoneAt, last, base, h)
	}
	bursts := Host{Faults: Faults{BurstLen: 400 * time.Millisecond, BurstGap: 1500 * time.Millisecond}}
	hosts, _ = withOne(4, bursts)
	r = Run(Config{Seed: 1, Hosts: hosts, Size: size, MaxRate: rate})
	mustFinish(t, "comes and goes", r)
	h, last = r.Hosts[0], r.LastDone(rest...)
	t.Logf("comes and goes: detached %d times, attached again %d; it is done after %v, the rest after %v, %v without it; egress %.3f", h.Detached, h.Attached, h.DoneAt, last, base, 1+r.Overhead())
	if h.Detached == 0 || h.Attached > 4 || last > base+base/20 {
		t.Errorf("the rest took %v, %v without it: %+v", last, base, h)
	}
}

// TestFault31UnevenLoss: the rate is not that of the worst host.
func TestFault31UnevenLoss(t *testing.T) {
	t.Parallel()
	hosts := []Host{{}, {Faults: Faults{Loss: .01}}, {Faults: Faults{Loss: .05}}, {Faults: Faults{Loss: .2}}}
	r := Run(Config{Seed: 1, Hosts: hosts, Size: 256 * mb})
	mustFinish(t, "uneven loss", r)
	if best := linkTime(r, gigabit); r.LastDone(0, 1, 2) > best*125/100 {
		t.Errorf("the better three took %v, the link %v", r.LastDone(0, 1, 2), best)
	}
}

// TestFault33BlackHoles: for a second, now and then, nothing gets through: to each
// host on its own, or to all.
func TestFault33BlackHoles(t *testing.T) {
	t.Parallel()
	hole := Faults{BurstLen: time.Second, BurstGap: 4 * time.Second}
	each := Run(Config{Seed: 1, Hosts: Same(4, hole), Size: 256 * mb})
	mustFinish(t, "each", each)
	hole.BurstGap = time.Second
	all := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Shared: hole, Size: 256 * mb})
	mustFinish(t, "all", all)
	if best := linkTime(all, gigabit); each.LastDone() < best+500*time.Millisecond || all.LastDone() < best+time.Second {
		t.Error("there was no black hole")
	}
	t.Logf("each %v, all %v, the link %v", each.LastDone(), all.LastDone(), linkTime(all, gigabit))
}

func TestLateJoinersGetAll(t *testing.T) {
	t.Parallel()
	hosts := Same(8, Faults{Loss: .01})
	hosts[1].JoinAt = 20 * time.Millisecond
	hosts[2].JoinAt = 600 * time.Millisecond
	hosts[3].JoinAt = 1100 * time.Millisecond
	r := Run(Config{Seed: 1, Hosts: hosts, Size: 128 * mb})
	mustFinish(t, "late", r)
	if early := r.LastDone(0, 4, 5, 6, 7); early > linkTime(r, gigabit)*115/100 {
		t.Errorf("those in time took %v, the link %v", early, linkTime(r, gigabit))
	}
}

// TestHeldIsNotSent: what all hosts hold from an earlier session is not sent, and
// what one holds not to be repaired for it.
func TestHeldIsNotSent(t *testing.T) {
	t.Parallel()
	r := Run(Config{Seed: 1, Hosts: []Host{{Holds: .5}, {Holds: .7}}, Size: 64 * mb})
	mustFinish(t, "held", r)
	if r.Sent > r.Payload*55/100 {
		t.Errorf("%d packets of %d were sent, half were held", r.Sent, r.Payload)
	}
}

// TestHeldWithGapsIsNotSent: what was held need not be the beginning: only the gaps are
// sent, and repaired.
func TestHeldWithGapsIsNotSent(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][]Host{
		{{Holds: 1, Gaps: 5}},
		{{Holds: .9, Gaps: 4}, {Holds: 1, Gaps: 8}},
		{{Holds: 1, Gaps: 7, Faults: Faults{Loss: .05}}, {Holds: 1, Gaps: 14, Faults: Faults{Loss: .05}}},
	} {
		r := Run(Config{Seed: 2, Hosts: hosts, Size: 64*mb + 12345, Bytes: true})
		mustFinish(t, "held with gaps", r)
		lacked := 0.0
		for _, h := range hosts {
			lacked = max(lacked, 1-h.Holds+h.Holds/float64(h.Gaps))
		}
		most := uint64(float64(r.Payload)*lacked*1.2) + 2*192
		if uint64(r.Sent) > most || r.BadCopies > 0 {
			t.Errorf("%d packets of %d were sent, at most %d are lacked; %d bad copies", r.Sent, r.Payload, most, r.BadCopies)
		}
	}
	// One that holds nothing comes early in the main pass, and gets all.
	late := Host{JoinAt: 20 * time.Millisecond}
	r := Run(Config{Seed: 3, Hosts: []Host{{Holds: 1, Gaps: 2}, {Holds: 1, Gaps: 2}, late}, Size: 32 * mb, Bytes: true})
	mustFinish(t, "held, and one late", r)
}

func TestStreams(t *testing.T) {
	t.Parallel()
	for _, source := range []pace.Rate{0, 100 * pace.Mbps} {
		r := Run(Config{Seed: 1, Hosts: Same(4, Faults{Loss: .01}), Size: 32*mb + 77, Mode: wire.Stream, Source: source, PoolSize: 64})
		mustFinish(t, "stream", r)
		if best := linkTime(r, gigabit); source == 0 && r.LastDone() > best*3/2 {
			t.Errorf("took %v, the link %v", r.LastDone(), best)
		}
	}
}

// TestStreamsPause: a host that stands still for less than what the sender's memory holds
// gets all of a long stream, in the main pass; it costs the others what it missed.
func TestStreamsPause(t *testing.T) {
	t.Parallel()
	for _, still := range []time.Duration{300 * time.Millisecond, time.Second} {
		hosts := Same(4, Faults{})
		hosts[0].StopAt, hosts[0].ContinueAt = time.Second, time.Second+still
		r := Run(Config{Seed: 1, Hosts: hosts, Size: 200 * mb, Mode: wire.Stream, Port: Port{Rate: 100 * pace.Mbps}})
		mustFinish(t, fmt.Sprint("a pause of ", still), r)
		if most := linkTime(r, 100*pace.Mbps)*103/100 + still*11/10; r.LastDone(1, 2, 3) > most { // what it missed comes again
			t.Errorf("the others took %v, at most %v", r.LastDone(1, 2, 3), most)
		}
		t.Logf("%v: the host %v after %+v, the others %v", still, r.LastDone(0), r.Hosts[0], r.LastDone(1, 2, 3))
	}
}

func TestSmallStreams(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{0, 1, 1431, 1432, 1433, 192 * 1432, 192*1432 + 1, 1099776, 1099777} {
		for _, mode := range []wire.Mode{wire.File, wire.Stream} {
			r := Run(Config{Seed: 1, Hosts: Same(5, Faults{Loss: .1}), Size: size, Mode: mode, Bytes: true})
			mustFinish(t, fmt.Sprintf("%d bytes, %v", size, mode), r)
			if r.LastDone() > time.Second || r.BadCopies > 0 {
				t.Errorf("%d bytes, %v: took %v, bad copies %d", size, mode, r.LastDone(), r.BadCopies)
			}
		}
	}
}

// TestSmallQueue: a port with next to no queue slows the session down, and that is
// all.
func TestSmallQueue(t *testing.T) {
	t.Parallel()
	r := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: 128 * mb, Port: Port{Queue: 64 << 10}})
	mustFinish(t, "small queue", r)
	t.Logf("64 KB of queue: %v, the link %v, egress %.2f", r.LastDone(), linkTime(r, gigabit), 1+r.Overhead())
	if r.LastDone() > linkTime(r, gigabit)*3/2 {
		t.Errorf("took %v, the link %v", r.LastDone(), linkTime(r, gigabit))
	}
	// In one of 32 KB no queue is seen that would brake: what is lost has to.
	const slow = 50 * pace.Mbps
	r = Run(Config{Seed: 1, Hosts: Same(48, Faults{}), Size: 64 * mb, Port: Port{Rate: slow, Queue: 32 << 10}})
	mustFinish(t, "smaller queue", r)
	t.Logf("32 KB of queue: %v, the link %v, egress %.2f", r.LastDone(), linkTime(r, slow), 1+r.Overhead())
	if r.LastDone() > linkTime(r, slow)*105/100 || r.Overhead() > .5 {
		t.Errorf("took %v, the link %v; egress %.2f", r.LastDone(), linkTime(r, slow), 1+r.Overhead())
	}
}
