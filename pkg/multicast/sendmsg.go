package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendTimeout is how long a write may wait at a time: the next attempt sees a
// close that fell between the look at it and the wait.
const sendTimeout = 100 * time.Millisecond

// A sendSocket is a connected socket whose writes block in the kernel. It is not in the
// runtime's poller, which the kernel would tell of every datagram that leaves the
// buffer: a wake-up of another thread each, an eighth of a sender's time at
// 1 Gb/s. One goroutine writes; close may be called from any.
type sendSocket struct {
	closed atomic.Bool
	mu     sync.RWMutex // read-held while fd is in use, held to close it
	fd     int          // -1 when closed

	hdr unix.Msghdr // of the next message, like iov
	iov []unix.Iovec
}

// init takes conn's socket over, connects it to the group, and closes conn.
func (s *sendSocket) init(conn *net.UDPConn, group netip.AddrPort) error {
	s.fd = -1
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	err = raw.Control(func(fd uintptr) {
		s.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return fmt.Errorf("taking the socket over: %w", err)
	}
	conn.Close()
	to := unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()}
	if err := errors.Join(unix.Connect(s.fd, &to), makeBlocking(s.fd)); err != nil {
		unix.Close(s.fd)
		return err
	}
	return nil
}

// makeBlocking has writes to a socket wait, for sendTimeout at most.
func makeBlocking(fd int) error {
	timeout := unix.NsecToTimeval(int64(sendTimeout))
	return errors.Join(unix.SetNonblock(fd, false),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
}

// send writes one message of several parts, and waits while the socket's buffer is
// full. It returns net.ErrClosed after close.
func (s *sendSocket) send(parts [][]byte, control []byte) error {
	s.iov = s.iov[:0]
	for _, p := range parts {
		if len(p) > 0 {
			s.iov = append(s.iov, unix.Iovec{Base: &p[0]})
			s.iov[len(s.iov)-1].SetLen(len(p))
		}
	}
	s.hdr = unix.Msghdr{}
	if len(s.iov) > 0 {
		s.hdr.Iov = &s.iov[0]
		s.hdr.SetIovlen(len(s.iov))
	}
	if len(control) > 0 {
		s.hdr.Control = &control[0]
		s.hdr.SetControllen(len(control))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for {
		if s.closed.Load() {
			return net.ErrClosed
		}
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.hdr)), unix.MSG_NOSIGNAL)
		switch errno {
		case 0:
			return nil
		case unix.EINTR, unix.EAGAIN: // a signal; sendTimeout
		case unix.EPIPE: // close
			return net.ErrClosed
		default:
			return os.NewSyscallError("sendmsg", errno)
		}
	}
}

// close ends a waiting send. The error is that of the descriptor's close.
func (s *sendSocket) close() error {
	if s.closed.Swap(true) {
		return nil
	}
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR) // who waits is woken
	s.mu.Lock()
	defer s.mu.Unlock()
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}
