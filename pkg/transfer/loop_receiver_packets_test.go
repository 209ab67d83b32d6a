package transfer

import (
	"testing"
	"time"
)

// TestArrivalIsWhenTheKernelGotIt: however long the loop was kept from its core after it
// had read, unless the clock that the kernel stamps by was set.
func TestArrivalIsWhenTheKernelGotIt(t *testing.T) {
	const ms = time.Millisecond
	r := &reception{clock: newClock()}
	for i, c := range []struct {
		now  time.Duration
		at   time.Duration // after the clock's start
		want time.Duration
	}{
		{8 * ms, 5 * ms, 5 * ms},
		{9 * ms, 4 * ms, 5 * ms}, // never before another
		{30 * ms, 6 * ms, 6 * ms},
		{40 * ms, 41 * ms, 40 * ms},      // it cannot be later
		{500 * ms, 300 * ms, 500 * ms},   // nor so old
		{900 * ms, -time.Hour, 900 * ms}, // nor without a stamp
	} {
		if got := r.arrival(c.now, r.clock.start.Add(c.at)); got != c.want {
			t.Errorf("%d: arrived at %v, want %v", i, got, c.want)
		}
	}
}
