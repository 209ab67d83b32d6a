package transfer

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// napLimit is the longest wait that is slept in the kernel. A timer of the
// runtime takes up to a millisecond more than asked; during a nap nothing else
// is heard.
const napLimit = 500 * time.Microsecond

// spareProcs is how many of the runtime's processors there have to be for a nap to
// keep one.
const spareProcs = 3

// A clock tells the time since its making, and waits precisely. It is for a
// goroutine that has locked its thread.
type clock struct {
	start   time.Time
	mayKeep bool // whether a nap may keep the runtime's processor
}

func newClock() clock { return clock{time.Now(), runtime.GOMAXPROCS(0) >= spareProcs} }

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

// nap sleeps for d; a signal ends it early. Where the runtime has processors to spare
// it is not told: it would take this one away, and have others wake this thread when it
// wants one again, thousands of times a second.
func (c clock) nap(d time.Duration) {
	if d <= 0 {
		return
	}
	t := unix.NsecToTimespec(int64(d))
	if !c.mayKeep {
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &t, nil)
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
}
