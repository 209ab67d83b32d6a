package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// rates returns the rate between points of a trace that are 50 ms apart, as a
// share of the link's.
func rates(r *Result, link pace.Rate) (at []time.Duration, share []float64) {
	for i := 5; i < len(r.Trace); i++ {
		at = append(at, r.Trace[i].At)
		share = append(share, float64(rateOf(r.Trace[i-5], r.Trace[i])/link))
	}
	return at, share
}

// TestRate: from nothing to 95 % of the link's rate in under half a second, without
// a flag, at any rate; after the start-up the pacing loses nothing at a switch's
// port with 256 KB. Print it with:
//
//	go test ./pkg/sim -run TestRate$ -v
func TestRate(t *testing.T) {
	t.Parallel()
	for _, link := range []pace.Rate{10 * pace.Mbps, 25 * pace.Mbps, 100 * pace.Mbps, 250 * pace.Mbps, pace.Gbps, 2.5 * pace.Gbps, 10 * pace.Gbps} {
		for _, n := range []int{1, 4, 16} {
			for _, loss := range []float64{0, .01} {
				for _, burst := range []int{0, 64 << 10} {
					name := fmt.Sprintf("%v, %d hosts, %v lost, burst %d", link, n, loss, burst)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						testRate(t, name, Port{Rate: link, Burst: burst}, n, loss)
					})
				}
			}
		}
	}
}

func testRate(t *testing.T, name string, port Port, n int, loss float64) {
	link := port.Rate
	limit := 500 * time.Millisecond
	if link <= 10*pace.Mbps {
		limit = 2 * time.Second
	}
	r := Run(Config{Seed: 3, Hosts: Same(n, Faults{Loss: loss}), Port: port, Size: uint64(link * 3), TraceEvery: 10 * time.Millisecond})
	mustFinish(t, name, r)
	reached, sum, count := time.Duration(0), 0.0, 0
	at, share := rates(r, link)
	for i := range at {
		if reached == 0 && share[i] >= .95 {
			reached = at[i]
		}
		if at[i] > limit && at[i] < 2700*time.Millisecond {
			sum += share[i]
			count++
		}
	}
	mean := sum / float64(max(count, 1))
	t.Logf("%-44s 95 %% after %v, search over after %v; then %.3f on average; dropped %d, the last at %v", name, reached, r.FoundAt.Round(time.Millisecond), mean, r.Dropped, r.LastDrop.Round(time.Millisecond))
	if reached == 0 || reached > limit {
		t.Errorf("95 %% of the link's rate after %v, %v are due", reached, limit)
	}
	if mean < .95 {
		t.Errorf("%.3f of the link's rate on average, .95 are due", mean)
	}
	if r.LastDrop > limit {
		t.Errorf("pacing lost a packet after %v", r.LastDrop)
	}
}

// TestFault46LinkChanges: the rate follows a link that becomes slower, or faster.
func TestFault46LinkChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, after pace.Rate }{{pace.Gbps, 300 * pace.Mbps}, {200 * pace.Mbps, pace.Gbps}} {
		r := Run(Config{Seed: 1, Hosts: Same(4, Faults{Loss: .01}), Size: 256 * mb, Port: Port{Rate: tt.before, ChangeAt: time.Second, ChangeRate: tt.after}, TraceEvery: 10 * time.Millisecond})
		mustFinish(t, "change", r)
		at, share := rates(r, tt.after)
		found := time.Duration(0)
		for i := range at {
			if at[i] > 1100*time.Millisecond && share[i] > .9 && share[i] < 1.1 && found == 0 {
				found = at[i] - time.Second
			}
		}
		t.Logf("from %v to %v: found after %v, dropped %d", tt.before, tt.after, found, r.Dropped)
		if found == 0 || found > 1500*time.Millisecond {
			t.Errorf("from %v to %v took %v", tt.before, tt.after, found)
		}
	}
}

func TestMaxRateIsKept(t *testing.T) {
	t.Parallel()
	const limit = 200 * pace.Mbps
	r := Run(Config{Seed: 1, Hosts: Same(4, Faults{Loss: .01}), Size: 32 * mb, MaxRate: limit, TraceEvery: 10 * time.Millisecond})
	mustFinish(t, "--max-rate", r)
	_, share := rates(r, limit)
	for i, s := range share {
		if s > 1.05 {
			t.Errorf("%.3f of the rate after %v", s, r.Trace[i].At)
		}
	}
	if r.Dropped > 0 || r.LastDone() > linkTime(r, limit)*11/10 {
		t.Errorf("dropped %d, took %v, at best %v", r.Dropped, r.LastDone(), linkTime(r, limit))
	}
}

// TestMarksBrake: with ECN nothing is dropped after the start-up, and most of the
// rate is kept.
func TestMarksBrake(t *testing.T) {
	t.Parallel()
	r := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: 256 * mb, Port: Port{MarkFrom: 64 << 10}})
	plain := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: 256 * mb})
	mustFinish(t, "marks", r)
	t.Logf("with marks %v, without %v; marked %d; last drop %v", r.LastDone(), plain.LastDone(), r.Hosts[0].Counters.CEMarks, r.LastDrop)
	if r.LastDrop > 500*time.Millisecond || r.LastDone() > plain.LastDone()*5/4 {
		t.Errorf("took %v, %v without marks; last drop at %v", r.LastDone(), plain.LastDone(), r.LastDrop)
	}
	if marked := r.Hosts[0].Counters.CEMarks; marked == 0 || marked > uint64(r.Payload/20) {
		t.Errorf("%d packets of %d were marked", marked, r.Payload)
	}
}

// rateOf returns the rate at which the sender's packets left between two points.
func rateOf(a, b Point) pace.Rate {
	return pace.Rate(float64((b.Sent-a.Sent)*(wire.DefaultPayload+wire.FrameOverhead)) / (b.At - a.At).Seconds())
}

// TestMarksAloneBrake: where a switch marks what is beyond a rate, and no queue tells of
// it, the pace settles at that rate.
func TestMarksAloneBrake(t *testing.T) {
	t.Parallel()
	for _, over := range []pace.Rate{40 * pace.Mbps, 400 * pace.Mbps} {
		r := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: uint64(over * 6), Port: Port{Rate: 5 * over / 2, MarkOver: over}})
		mustFinish(t, "marks", r)
		share, marked := linkTime(r, over).Seconds()/r.LastDone().Seconds(), r.Hosts[0].Counters.CEMarks
		t.Logf("marks beyond %v: %.2f of it on average; %d of %d packets marked, %d dropped", over, share, marked, r.Sent, r.Dropped)
		if share < .75 || share > 1.1 || marked == 0 || marked > uint64(r.Sent/5) || r.Dropped > 0 {
			t.Errorf("%.2f of %v on average; %d of %d packets marked, %d dropped", share, over, marked, r.Sent, r.Dropped)
		}
	}
}

// TestTCPGetsItsShare: while a TCP connection competes, both get a fair part of the
// link, a third for TCP as for us a quarter; afterwards all of it is used again. What is
// least of some starts counts. With more than one port the connection is on the first
// host's only, as in the lab's test of the same. Print the shares with -v.
func TestTCPGetsItsShare(t *testing.T) {
	t.Parallel()
	for _, link := range []pace.Rate{10 * pace.Mbps, 20 * pace.Mbps, 50 * pace.Mbps, 100 * pace.Mbps, 200 * pace.Mbps, pace.Gbps} {
		for _, tt := range []struct {
			hosts  int
			isReno bool
			isOwn  bool // all but the first host have a port of their own
		}{{4, false, false}, {1, true, false}, {2, false, true}, {2, true, true}, {16, false, true}, {16, true, true}} {
			name := fmt.Sprintf("%v, %d hosts, Reno %v, own ports %v", link, tt.hosts, tt.isReno, tt.isOwn)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				hosts := Same(tt.hosts, Faults{})
				for i := 1; i < tt.hosts && tt.isOwn; i++ {
					hosts[i].OwnPort = &Port{Rate: link, Burst: 64 << 10}
				}
				ours, theirs, after := 1.0, 1.0, 1.0
				starts := uint64(4)
				if link < 100*pace.Mbps { // a full queue lasts for 40 ms or more
					starts = 12
				}
				for seed := range starts {
					a, b, c := tcpShare(t, seed+1, link, hosts, tt.isReno)
					ours, theirs, after = min(ours, a), min(theirs, b), min(after, c)
				}
				t.Logf("at least: ours %.2f, TCP's %.2f; after it %.2f", ours, theirs, after)
				if ours < 1./4 || theirs < 1./3 || after < .85 {
					t.Errorf("at least: ours %.2f, TCP's %.2f, after it %.2f", ours, theirs, after)
				}
			})
		}
	}
}

// tcpShare returns what we and a TCP connection got of a link, from one second after
// the connection's begin to its end, and what we had once it was over.
func tcpShare(t *testing.T, seed uint64, link pace.Rate, hosts []Host, isReno bool) (ours, theirs, after float64) {
	from := 750*time.Millisecond + time.Duration(seed)*17*time.Millisecond
	r := Run(Config{Seed: seed, Hosts: hosts, Size: uint64(link * 7), Port: Port{Rate: link, Burst: 64 << 10}, TraceEvery: 10 * time.Millisecond,
		Flows: []Flow{{From: from, Until: from + 5*time.Second, IsReno: isReno}}})
	mustFinish(t, "with TCP", r)
	ours, theirs = shares(r, link, from+time.Second, from+5*time.Second)
	after, _ = shares(r, link, from+6500*time.Millisecond, from+8*time.Second)
	return ours, theirs, after
}

// TestTCPWasThereBefore: a connection that had the whole link before a session begins keeps
// a part of it, a third on average, and leaves one, a fifth at least: nobody has seen the
// queue empty then, so that what is lost has to tell of it. What our search for the rate
// pushes out takes Reno some seconds to get again.
func TestTCPWasThereBefore(t *testing.T) {
	t.Parallel()
	for _, link := range []pace.Rate{20 * pace.Mbps, 50 * pace.Mbps, 200 * pace.Mbps, pace.Gbps} {
		for _, hosts := range []int{1, 4} {
			for _, isReno := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, %d hosts, Reno %v", link, hosts, isReno), func(t *testing.T) {
					t.Parallel()
					const starts = 12
					ours, theirs, mean := 1.0, 1.0, 0.0
					for seed := range uint64(starts) {
						start := 3*time.Second + time.Duration(seed)*37*time.Millisecond
						r := Run(Config{Seed: seed + 1, Hosts: Same(hosts, Faults{}), Size: uint64(link * 6), StartAt: start,
							Port: Port{Rate: link, Burst: 64 << 10}, TraceEvery: 10 * time.Millisecond,
							Flows: []Flow{{Until: start + 5*time.Second, IsReno: isReno}}})
						mustFinish(t, "after TCP", r)
						a, b := shares(r, link, start+time.Second, start+5*time.Second)
						ours, theirs, mean = min(ours, a), min(theirs, b), mean+b/starts
					}
					t.Logf("ours at least %.2f; TCP's %.2f on average, at least %.2f", ours, mean, theirs)
					if ours < 1./5 || mean < 1./3 {
						t.Errorf("ours at least %.2f; TCP's %.2f on average", ours, mean)
					}
				})
			}
		}
	}
}

// shares returns what we sent and what TCP got from one moment to another, as shares of
// the link.
func shares(r *Result, link pace.Rate, from, to time.Duration) (ours, theirs float64) {
	const frame = wire.FrameOverhead + wire.DefaultPayload
	a, b := r.Trace[int(from/(10*time.Millisecond))], r.Trace[int(to/(10*time.Millisecond))]
	return float64(rateOf(a, b) / link), float64((b.Flows-a.Flows)*frame) / (to - from).Seconds() / float64(link)
}

// TestStallsCostLittle: a processor before the switch that does something else for a
// moment lets packets queue, and makes nobody think that the link is slower. A stall of
// 1 ms is 125 KB here, half of what the port holds. Print it with -v.
func TestStallsCostLittle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		length, gap time.Duration // on average
		least       float64       // share of the link, of the whole time, on average
	}{
		{300 * time.Microsecond, 20 * time.Millisecond, .935},
		{time.Millisecond, 200 * time.Millisecond, .94},
		{time.Millisecond, 50 * time.Millisecond, .84},
		{3 * time.Millisecond, 200 * time.Millisecond, .87},
	} {
		t.Run(fmt.Sprintf("%v in %v", tt.length, tt.gap), func(t *testing.T) {
			t.Parallel()
			const seeds = 6
			mean := 0.0
			for seed := range uint64(seeds) {
				r := Run(Config{Seed: seed + 1, Hosts: Same(4, Faults{}), Shared: Faults{StallLen: tt.length, StallGap: tt.gap}, Size: 256 * mb})
				mustFinish(t, "stalls", r)
				mean += linkTime(r, gigabit).Seconds() / r.LastDone().Seconds() / seeds
			}
			t.Logf("%.3f of the link", mean)
			if mean < tt.least {
				t.Errorf("%.3f of the link, %.3f are due", mean, tt.least)
			}
		})
	}
}
