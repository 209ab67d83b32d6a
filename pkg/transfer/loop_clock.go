package transfer

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// napLimit is the longest wait that is slept in the kernel. A timer of the
// runtime takes up to a millisecond more than asked; during a nap nothing else
// is heard.
const napLimit = 500 * time.Microsecond

// A clock tells the time since its making, and waits precisely. It is for a
// goroutine that has locked its thread.
type clock struct{ start time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() time.Duration { return time.Since(c.start) }

// lockThread gives the goroutine a thread of its own whose sleeps are exact, until
// unlock.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // the default again
		runtime.UnlockOSThread()
	}
}

// nap sleeps for d; a signal ends it early.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	t := unix.NsecToTimespec(int64(d))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &t, nil)
}
