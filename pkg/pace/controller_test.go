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

// TestTheLimitIsOfWhoIsAtOne: the search ends at what the host gets that gets less than it
// is sent, not at what another was sent while the sender paused.
func TestTheLimitIsOfWhoIsAtOne(t *testing.T) {
	const packets = 200
	rate := pace.DefaultInitial
	took := rate.Time(packets * 1500)
	for _, tt := range []struct {
		why  string
		slow pace.Sample
	}{
		{"its link", pace.Sample{First: 201, End: 401, Received: packets, Sending: took, Arriving: took * 10 / 7}},
		{"its memory", pace.Sample{First: 201, End: 401, Received: packets * 7 / 10, Refused: packets * 3 / 10, Sending: took, Arriving: took}},
	} {
		c := pace.New(pace.Config{Frame: 1500, Interval: 20 * time.Millisecond})
		c.Add(0, 1)
		c.Add(0, 2)
		c.Observe(4*took, 1, pace.Sample{First: 1, End: 201, Received: packets, Sending: 2 * took, Arriving: 2 * took})
		c.Observe(4*took, 2, tt.slow)
		c.Tick(4*took, 401)
		if want := rate * 7 / 10; c.Starting() || c.Limit() < want*99/100 || c.Limit() > want*101/100 {
			t.Errorf("%s: %s with a limit of %v, want the search at an end and %v", tt.why, c.State(), c.Limit(), want)
		}
	}
}
