package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
)

// TestOverhead compares what is sent again with what parity must cost: the mean of
// the largest number of packets that any of N hosts needs more of a block. Nothing
// else may be lost, so the rate is given. Print it with:
//
//	go test ./pkg/sim -run TestOverhead -v
func TestOverhead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		hosts int
		size  uint64
		ideal [3]float64 // at 0.1, 1 and 5 % loss
	}{
		{1, 1024 * mb, [3]float64{.001, .010, .053}},
		{16, 256 * mb, [3]float64{.0063, .025, .085}},
		{64, 96 * mb, [3]float64{.0090, .031, .097}},
		{256, 64 * mb, [3]float64{.0116, .036, .107}},
		{1000, 48 * mb, [3]float64{.0141, .041, .116}},
	} {
		for i, loss := range []float64{.001, .01, .05} {
			name := fmt.Sprintf("%d hosts, %.1f %%", row.hosts, 100*loss)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := Run(Config{Seed: 1, Hosts: Same(row.hosts, Faults{Loss: loss}), Size: row.size, MaxRate: 0.95 * gigabit})
				mustFinish(t, name, r)
				t.Logf("%4d hosts, %.1f %% lost: %5.2f %% sent again, %5.2f %% ideal, ratio %.2f", row.hosts, 100*loss, 100*r.Overhead(), 100*row.ideal[i], r.Overhead()/row.ideal[i])
				if r.Overhead() > 1.15*row.ideal[i] {
					t.Errorf("%.4f of the payload was sent again, at most 1.15 times %.4f are due", r.Overhead(), row.ideal[i])
				}
				if loss >= .01 && r.Overhead() < 0.8*row.ideal[i] {
					t.Errorf("%.4f of the payload was sent again, which cannot have been enough", r.Overhead())
				}
			})
		}
	}
}

// TestFault32HeavyLoss: at 20 and 30 % loss, with bursts and with loss that all
// share, sessions finish without a copy per host. The egress is the logged overhead.
func TestFault32HeavyLoss(t *testing.T) {
	t.Parallel()
	burst := Faults{BurstLen: 50 * time.Millisecond, BurstGap: 500 * time.Millisecond}
	for _, tt := range []struct {
		name         string
		each, shared Faults
		most         [3]float64 // of overhead, for 1, 16 and 64 hosts
	}{
		{"20 %", Faults{Loss: .2}, Faults{}, [3]float64{.35, .45, .50}},
		{"30 %", Faults{Loss: .3}, Faults{}, [3]float64{.55, .85, 1.0}},
		{"bursts of 50 ms", burst, Faults{}, [3]float64{.35, 2.5, 6}},
		{"bursts of 3 ms", Faults{BurstLen: 3 * time.Millisecond, BurstGap: 100 * time.Millisecond}, Faults{}, [3]float64{.06, .26, .4}}, // more than a block's rows, but of interleaved ones
		{"late by 10 to 100 ms", Faults{Reorder: .1, ReorderMin: 10 * time.Millisecond, ReorderMax: 100 * time.Millisecond}, Faults{}, [3]float64{.04, .04, .04}},
		{"half twice", Faults{Duplicate: .5}, Faults{}, [3]float64{.04, .04, .04}},
		{"5 % shared", Faults{}, Faults{Loss: .05}, [3]float64{.09, .09, .09}},
		{"bursts shared", Faults{}, burst, [3]float64{.3, .3, .3}},
		{"1 % each, 1 % shared", Faults{Loss: .01}, Faults{Loss: .01}, [3]float64{.05, .07, .08}},
	} {
		for i, n := range []int{1, 16, 64} {
			name := fmt.Sprintf("%s, %d hosts", tt.name, n)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := Run(Config{Seed: 1, Hosts: Same(n, tt.each), Shared: tt.shared, Size: 64 * mb})
				mustFinish(t, name, r)
				t.Logf("%-22s %3d hosts: egress %.2f, rows %.2f, data again %.2f, one to one %.3f; time %.2f of the link's", tt.name, n, 1+r.Overhead(),
					float64(r.Rows)/float64(r.Payload), float64(r.Again)/float64(r.Payload), float64(r.Repairs)/float64(r.Payload), r.LastDone().Seconds()/linkTime(r, gigabit).Seconds())
				if r.Overhead() > tt.most[i] {
					t.Errorf("%.2f of the payload was sent again, at most %.2f are due", r.Overhead(), tt.most[i])
				}
			})
		}
	}
}

// TestTheLastPacketsAreRepeated: with so much loss that the last packets are often lost,
// it is not the hosts' silence that tells so.
func TestTheLastPacketsAreRepeated(t *testing.T) {
	t.Parallel()
	const runs = 40
	var sum time.Duration
	for seed := range uint64(runs) {
		r := Run(Config{Seed: seed + 1, Hosts: Same(4, Faults{Loss: .3}), Size: mb})
		mustFinish(t, "4 hosts", r)
		sum += r.LastDone()
	}
	if mean := sum / runs; mean > 225*time.Millisecond {
		t.Errorf("1 MB to 4 hosts that lose 30 %% took %v on average, 190 ms are due and 280 ms if nothing is repeated", mean)
	}
}

// TestThousand is the case of the Speed table: 1 GB to a thousand receivers.
func TestThousand(t *testing.T) {
	t.Parallel()
	r := Run(Config{Seed: 1, Hosts: Same(1000, Faults{Loss: .01}), Size: 1e9})
	mustFinish(t, "1000 hosts", r)
	ratio := r.LastDone().Seconds() / linkTime(r, pace.Gbps).Seconds()
	t.Logf("1000 hosts, 1 %% lost, 1 GB, 1 Gb/s: %.3f s, %.4f of the link time; %.2f %% sent again; found after %v; %d packets dropped by the port, the last at %v; at most %d reports in 100 ms",
		r.LastDone().Seconds(), ratio, 100*r.Overhead(), r.FoundAt, r.Dropped, r.LastDrop, r.MaxReports)
	if ratio > 1.06 {
		t.Errorf("took %.4f of the link time, at most 1.06 are due", ratio)
	}
	if r.MaxReports > 1100 {
		t.Errorf("%d reports reached the sender within 100 ms, at most 1000 are due", r.MaxReports)
	}
}

// TestSixteenOverOne: at 1 % loss sixteen hosts take as much longer than one as their
// parity does, and 48 on a slow link send no row twice: what is on the way is not asked
// for again, whatever the time that reports take.
func TestSixteenOverOne(t *testing.T) {
	t.Parallel()
	run := func(n int, rate pace.Rate, size uint64, control time.Duration) *Result {
		r := Run(Config{Seed: 1, Hosts: Same(n, Faults{Loss: .01}), Size: size, Port: Port{Rate: rate}, Control: control})
		mustFinish(t, fmt.Sprintf("%d hosts", n), r)
		t.Logf("%2d hosts, %v, reports take %v: %.3f s, %.2f %% sent again, %d packets dropped by the port", n, rate, control, r.LastDone().Seconds(), 100*r.Overhead(), r.Dropped)
		return r
	}
	one := run(1, 200*pace.Mbps, 128*mb, 0).LastDone().Seconds()
	if ratio := run(16, 200*pace.Mbps, 128*mb, 0).LastDone().Seconds() / one; ratio > 1.02 {
		t.Errorf("16 hosts take %.3f of the time of one, 1.015 are parity", ratio)
	}
	for _, control := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		if r := run(48, 50*pace.Mbps, 64*mb, control); r.Overhead() > 1.05*.0295 {
			t.Errorf("48 hosts: %.4f of the payload was sent again, .0295 are due", r.Overhead())
		}
	}
}
