package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestSlowPolicies: what becomes of one host of four at a third, and at 60 %, of the
// others' rate, under each policy and with a least rate.
func TestSlowPolicies(t *testing.T) {
	t.Parallel()
	const size = 128 * mb
	third, most := pace.Rate(gigabit/3), pace.Rate(gigabit*6/10)
	for _, tt := range []struct {
		name      string
		slow      transfer.SlowPolicy
		min       pace.Rate
		own       pace.Rate
		group     pace.Rate   // at which the others are served
		isOff     bool        // it is not waited for
		isDropped bool        // it does not get all
		reason    wire.Reason // of either
	}{
		{"detach, a third", transfer.Detach, 0, third, gigabit, true, false, wire.Slow},
		{"detach, 60 %", transfer.Detach, 0, most, most, false, false, 0},
		{"detach under 700, 60 %", transfer.Detach, 700 * pace.Mbps, most, gigabit, true, false, wire.Slow},
		{"wait, a third", transfer.Wait, 0, third, third, false, false, 0},
		{"wait from 200, a third", transfer.Wait, 200 * pace.Mbps, third, third, false, false, 0},
		{"wait from 500, a third", transfer.Wait, 500 * pace.Mbps, third, gigabit, true, false, wire.Slow},
		{"drop, a third", transfer.Drop, 0, third, gigabit, true, true, wire.Slow},
		{"drop, 60 %", transfer.Drop, 0, most, most, false, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts, rest := withOne(4, Host{OwnPort: &Port{Rate: tt.own}})
			r := Run(Config{Seed: 1, Hosts: hosts, Size: size, Slow: tt.slow, MinRate: tt.min})
			h := r.Hosts[0]
			last, best := r.LastDone(rest...), linkTime(r, tt.group)
			t.Logf("the rest took %v, %v are due; the slow one %+v", last, best, h)
			if !r.Finished || last < best*95/100 || last > best*115/100 {
				t.Errorf("the rest took %v, %v are due", last, best)
			}
			if h.IsFailed != tt.isDropped || (h.DoneAt == 0) != tt.isDropped {
				t.Errorf("dropped %v, want %v", h.IsFailed, tt.isDropped)
			}
			if isOff := h.Detached > 0 || h.IsAlone || h.IsFailed; isOff != tt.isOff || h.Reason != tt.reason {
				t.Errorf("not waited for: %v, %v, want %v, %v", isOff, h.Reason, tt.isOff, tt.reason)
			}
		})
	}
}

// TestBecomesSlow: a host that kept up until its link became slow is detached as well. On a
// slow link it may be another's packets that are in its way, so that half of the rate or
// less is tried for a second longer than any host may lag.
func TestBecomesSlow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		link, slow pace.Rate
		most       time.Duration // that it costs the others
	}{
		{pace.Gbps, pace.Gbps / 10, 300 * time.Millisecond},
		{pace.Gbps, pace.Gbps * 4 / 10, 300 * time.Millisecond},
		{60 * pace.Mbps, 6 * pace.Mbps, 900 * time.Millisecond},
		{60 * pace.Mbps, 24 * pace.Mbps, 900 * time.Millisecond},
		{20 * pace.Mbps, 8 * pace.Mbps, 900 * time.Millisecond},
	} {
		for _, n := range []int{2, 16} {
			hosts, rest := withOne(n, Host{OwnPort: &Port{Rate: tt.link, ChangeAt: 2 * time.Second, ChangeRate: tt.slow}})
			r := Run(Config{Seed: 1, Hosts: hosts, Size: uint64(tt.link * 6), Port: Port{Rate: tt.link}})
			cost := r.LastDone(rest...) - linkTime(r, tt.link)
			t.Logf("1 of %d from %v to %v: costs the rest %v", n, tt.link, tt.slow, cost.Round(time.Millisecond))
			if h := r.Hosts[0]; h.Detached == 0 || h.Reason != wire.Slow || h.DoneAt == 0 || cost > tt.most {
				t.Errorf("1 of %d from %v to %v: costs the rest %v, at most %v; %+v", n, tt.link, tt.slow, cost, tt.most, h)
			}
		}
	}
}

// TestWaitDoesNotWaitForTheDeaf: a host behind a filtered group never has anything
// from the group, however long the others wait.
func TestWaitDoesNotWaitForTheDeaf(t *testing.T) {
	t.Parallel()
	hosts, rest := withOne(4, Host{Filtered: true, OwnPort: &Port{}})
	r := Run(Config{Seed: 1, Hosts: hosts, Size: 64 * mb, Slow: transfer.Wait})
	mustFinish(t, "wait, filtered", r)
	if h := r.Hosts[0]; !h.IsAlone || h.Reason != wire.NoMulticast || r.LastDone(rest...) > linkTime(r, gigabit)*13/10 {
		t.Errorf("the rest took %v, it %+v", r.LastDone(rest...), h)
	}
}

// TestFault30StoppedFromTheStart: a host that stood still while all the others were served
// has heard nothing of the group when it goes on. It may be deaf, or not: it gets all in
// either case, soon.
func TestFault30StoppedFromTheStart(t *testing.T) {
	t.Parallel()
	for _, isDeaf := range []bool{false, true} {
		const goesOn = 3 * time.Second
		hosts, _ := withOne(4, Host{StopAt: 1, ContinueAt: goesOn, Filtered: isDeaf, OwnPort: &Port{}})
		r := Run(Config{Seed: 1, Hosts: hosts, Size: 8 * mb, MaxRate: 100 * pace.Mbps, Limit: time.Minute})
		mustFinish(t, fmt.Sprintf("deaf %v", isDeaf), r)
		h := r.Hosts[0]
		t.Logf("deaf %v: done after %v, alone %v, detached %d times, %v", isDeaf, h.DoneAt, h.IsAlone, h.Detached, h.Reason)
		if h.IsAlone != isDeaf || h.DoneAt > goesOn+3*time.Second {
			t.Errorf("deaf %v: %+v", isDeaf, h)
		}
	}
}

// TestFault33LittleMemoryAndBursts: hosts whose memory is full of what they lack a part of
// refuse what others lack. That slows down nothing: the rate that fell for it would make it
// last, and did, down to 1 Mb/s.
func TestFault33LittleMemoryAndBursts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		hosts := Same(3, Faults{BurstLen: 60 * time.Millisecond, BurstGap: 100 * time.Millisecond})
		for i := range hosts {
			hosts[i].Pool = 5
		}
		r := Run(Config{Seed: seed + 1, Hosts: hosts, Size: 64 * mb, Slow: transfer.Wait, MaxRate: 2 * pace.Gbps, PoolSize: 47,
			Port: Port{Rate: 20 * pace.Gbps, Queue: 64 << 20}, Limit: time.Minute})
		t.Logf("seed %d: %v, %d packets, of these %d again; host 0 refused %d", seed+1, r.Time, r.Sent, r.Again, r.Hosts[0].Counters.NoRoom)
		if !r.Finished || r.Time > 20*time.Second {
			t.Errorf("seed %d: %v for 64 MB, finished %v", seed+1, r.Time, r.Finished)
		}
	}
}

// TestFault45NoMulticastAtAll: where nobody hears the group, what is sent to it is little
// of a long stream and nothing twice of a short one, before all are served over TCP.
func TestFault45NoMulticastAtAll(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{8 * mb, 96 * mb} {
		r := Run(Config{Seed: 1, Hosts: []Host{{Filtered: true}, {Filtered: true}, {Filtered: true}}, Size: size, Port: Port{Rate: 200 * pace.Mbps}})
		mustFinish(t, "nobody hears", r)
		most := int(pace.DefaultInitial) * 3 / 10 / (wire.DefaultPayload + wire.FrameOverhead) // 0.24 s of it, and 50 packets a second after
		if r.Sent > most || r.Rows+r.Again > 0 {
			t.Errorf("%d MB: %d packets to the group, %d parity and %d again; at most %d and none", size/mb, r.Sent, r.Rows, r.Again, most)
		}
		t.Logf("%d MB: %d packets to the group, %d parity, %d again, %d one to one", size/mb, r.Sent, r.Rows, r.Again, r.Repairs)
		for i, h := range r.Hosts {
			if !h.IsAlone || h.Reason != wire.NoMulticast {
				t.Errorf("host %d: %+v", i, h)
			}
		}
	}
}

// TestQuorum: a session goes on with as many hosts as the quorum, and not with less.
func TestQuorum(t *testing.T) {
	t.Parallel()
	hosts := Same(4, Faults{})
	hosts[0].LeaveAt, hosts[1].LeaveAt = 300*time.Millisecond, 600*time.Millisecond
	for _, quorum := range []int{2, 3} {
		r := Run(Config{Seed: 1, Hosts: hosts, Size: 128 * mb, Quorum: quorum})
		if isKept := quorum == 2; r.Finished != isKept || r.NoQuorum == isKept {
			t.Errorf("quorum %d: finished %v, no quorum %v after %v", quorum, r.Finished, r.NoQuorum, r.Time)
		}
	}
}
