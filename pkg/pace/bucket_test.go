package pace_test

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
)

const frame = 1514

func TestBucketKeepsItsRate(t *testing.T) {
	for _, rate := range []pace.Rate{10 * pace.Mbps, pace.Gbps, 10 * pace.Gbps} {
		b := pace.NewBucket(frame, rate)
		var now time.Duration
		sent, inBurst, longest := 0, 0, 0
		for now < time.Second {
			if wait := b.Take(now); wait > 0 {
				now += wait
				inBurst = 0
				continue
			}
			sent++
			inBurst++
			longest = max(longest, inBurst)
		}
		want := float64(rate) / frame
		if got := float64(sent); got < 0.99*want || got > 1.01*want+44 {
			t.Errorf("%v: %d packets in a second, want about %.0f", rate, sent, want)
		}
		if limit := int(pace.Burst(frame, rate)/frame) + 1; longest > limit {
			t.Errorf("%v: a burst of %d packets, at most %d are due", rate, longest, limit)
		}
	}
}

func TestBucketTakesNothing(t *testing.T) {
	b := pace.NewBucket(frame, pace.Gbps)
	var now time.Duration
	if n := testing.AllocsPerRun(1000, func() { now += b.Take(now) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// TestBucketCatchesUp: after a pause of the sender what it missed leaves at once, as
// much as a switch's port has room for.
func TestBucketCatchesUp(t *testing.T) {
	for _, tt := range []struct {
		rate  pace.Rate
		pause time.Duration
		want  int // packets
	}{
		{10 * pace.Mbps, time.Second, 8},
		{100 * pace.Mbps, 3 * time.Millisecond, 24},
		{100 * pace.Mbps, time.Second, 33}, // 4 ms
		{pace.Gbps, 500 * time.Microsecond, 41},
		{pace.Gbps, time.Second, 82},      // 1 ms
		{10 * pace.Gbps, time.Second, 88}, // two bursts, 133 KB
	} {
		b := pace.NewBucket(frame, tt.rate)
		var now time.Duration
		for b.Take(now) == 0 {
		}
		now += tt.pause
		got := 0
		for b.Take(now) == 0 {
			got++
		}
		if got < tt.want-1 || got > tt.want+1 {
			t.Errorf("%v: %d packets at once after %v, want %d", tt.rate, got, tt.pause, tt.want)
		}
	}
}
