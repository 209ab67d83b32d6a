package pace_test

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
)

// TestAPauseTellsNoRate: a source that begins with a pause, and some of the few packets
// in it that are lost, do not end the search at what was sent in the pause.
func TestAPauseTellsNoRate(t *testing.T) {
	c := pace.New(pace.Config{Frame: 1500, Interval: 20 * time.Millisecond})
	c.Add(0, 1)
	observe := func(now time.Duration, s pace.Sample) {
		c.Observe(now, 1, s)
		c.Tick(now, s.End+1)
	}
	const pause = 500 * time.Millisecond
	observe(pause, pace.Sample{First: 1, End: 8, Received: 7, Sending: pause, Arriving: pause})
	observe(2*pause, pace.Sample{First: 8, End: 15, Received: 5, Sending: pause, Arriving: pause})
	if !c.Starting() || c.Rate() != pace.DefaultInitial {
		t.Fatalf("%s at %v after a pause, want the search to go on", c.State(), c.Rate())
	}
	const packets = 200
	rate := pace.DefaultInitial
	took := rate.Time(packets * 1500)
	observe(2*pause+took, pace.Sample{First: 15, End: 15 + packets, Received: packets, Sending: took, Arriving: took})
	if !c.Starting() || c.Rate() < 1.9*rate {
		t.Errorf("%s at %v, want twice %v", c.State(), c.Rate(), rate)
	}
}

// TestTheLimitIsNoLessThanTheLeastRate: who was seen to get next to nothing is asked
// soon whether there is more.
func TestTheLimitIsNoLessThanTheLeastRate(t *testing.T) {
	c := pace.New(pace.Config{Frame: 1500, Interval: 20 * time.Millisecond, Initial: pace.DefaultMin})
	c.Add(0, 1)
	c.Observe(time.Second, 1, pace.Sample{First: 1, End: 61, Received: 1, Sending: 700 * time.Millisecond, Arriving: time.Minute})
	c.Tick(time.Second, 61)
	if c.Starting() || c.Limit() < pace.DefaultMin {
		t.Errorf("%s with a limit of %v, want the search at an end and no less than %v", c.State(), c.Limit(), pace.DefaultMin)
	}
}
