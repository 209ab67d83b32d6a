package multicast

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// napMax is how long a reader leaves the socket alone while a stream flows:
	// 850 datagrams at 10 Gb/s, a quarter of the default buffer.
	napMax = time.Millisecond
	// napMin is below what a nap is worth.
	napMin = 100 * time.Microsecond
	// flowing is how long after a datagram the stream counts as flowing.
	flowing = 20 * time.Millisecond

	datagramCharge   = 2304                  // bytes of receive buffer that a full datagram takes
	datagramInterval = 12 * time.Microsecond // between full datagrams at 1 Gb/s

	// spareProcs is how many of the runtime's processors there have to be for a nap to
	// keep one: see wait.
	spareProcs = 3
)

// napFor returns a nap in which a stream of 1 Gb/s fills a quarter of a buffer.
func napFor(bufferBytes int) time.Duration {
	nap := time.Duration(bufferBytes/datagramCharge/4) * datagramInterval
	if nap < napMin {
		return 0
	}
	return min(nap, napMax)
}

// A waiter waits for a socket, or for an interrupt. The reading goroutine owns
// what is not atomic.
type waiter struct {
	nap         time.Duration
	mayKeep     bool // whether a nap may keep the runtime's processor
	lastBusy    time.Time
	event       int // an eventfd, readable when interrupted
	interrupted atomic.Bool
	polls       [2]unix.PollFd
	timeout     unix.Timespec // of a nap; here so that it is not allocated each time
}

func (w *waiter) init(nap time.Duration) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	w.nap, w.event, w.mayKeep = nap, fd, runtime.GOMAXPROCS(0) >= spareProcs
	return nil
}

// busy notes that datagrams came.
func (w *waiter) busy() { w.lastBusy = time.Now() }

// wait returns when fd may have something to read, or after an interrupt.
//
// A nap is no system call to the runtime, where there are processors to spare: it would
// take this one away after 20 microseconds, and find another for the reader when it
// wakes, a thousand times a second. With eight receivers on four cores that took a
// twentieth of all time.
func (w *waiter) wait(fd int) error {
	w.polls[0] = unix.PollFd{Fd: int32(w.event), Events: unix.POLLIN}
	w.polls[1] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	if w.nap == 0 || time.Since(w.lastBusy) >= flowing {
		return pollError(unix.Ppoll(w.polls[:], nil, nil))
	}
	w.timeout = unix.NsecToTimespec(int64(w.nap)) // the kernel writes what was left
	if !w.mayKeep {
		return pollError(unix.Ppoll(w.polls[:1], &w.timeout, nil))
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.polls[0])), 1,
		uintptr(unsafe.Pointer(&w.timeout)), 0, 0, 0)
	if errno != 0 {
		return pollError(0, errno)
	}
	return nil
}

func pollError(_ int, err error) error {
	if err == nil || err == unix.EINTR {
		return nil
	}
	return os.NewSyscallError("ppoll", err)
}

func (w *waiter) interrupt() {
	w.interrupted.Store(true)
	one := [8]byte{0: 1}
	_, _ = unix.Write(w.event, one[:]) // EAGAIN: it is readable already
}

// wasInterrupted reports whether interrupt was called since the last time.
func (w *waiter) wasInterrupted() bool {
	if !w.interrupted.Load() {
		return false
	}
	var count [8]byte
	_, _ = unix.Read(w.event, count[:])
	return w.interrupted.Swap(false)
}

func (w *waiter) close() error { return unix.Close(w.event) }
