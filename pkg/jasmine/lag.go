package jasmine

import "time"

// A waiting is the half of a round in which the session waits for all clients
// to be ready, or done. It finds those that hold up the others.
//
// Half of the clients set the measure: twice the time that they took is
// everybody's; what a client takes beyond that is its lag, and adds up over the
// session. So loss that all suffer is nobody's lag, and a client without a
// single packet can use up max once, not once a round.
type waiting struct {
	begun time.Time
	max   time.Duration // lag allowed to a client in the session; negative: any
	free  time.Duration // time that costs nobody lag; negative until half have finished
}

func newWaiting(now time.Time, max time.Duration) *waiting {
	return &waiting{begun: now, max: max, free: -1}
}

// progress notes that at now finished of live clients have finished. It
// reports whether that set the measure.
func (w *waiting) progress(now time.Time, finished, live int) bool {
	if w.free >= 0 || live < 2 || 2*finished < live {
		return false
	}
	w.free = 2 * now.Sub(w.begun)
	return true
}

// lag is what a client adds to its lag that finishes at now.
func (w *waiting) lag(now time.Time) time.Duration {
	if w.free < 0 {
		return 0
	}
	return max(0, now.Sub(w.begun)-w.free)
}

// until returns when a client with this much lag from before has used it up;
// never is true if nothing is measured.
func (w *waiting) until(before time.Duration) (t time.Time, never bool) {
	if w.free < 0 || w.max < 0 {
		return time.Time{}, true
	}
	return w.begun.Add(w.free + w.max - before), false
}
