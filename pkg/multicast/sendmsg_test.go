package multicast

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// fullSocket returns a sendSocket whose peer takes no more: a group's socket never
// waits on the loopback interface.
func fullSocket(t *testing.T) *sendSocket {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[1]) })
	s := &sendSocket{fd: pair[0]}
	for err == nil {
		err = unix.Send(s.fd, []byte("x"), unix.MSG_DONTWAIT)
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	if err := makeBlocking(s.fd); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCloseEndsAWaitingSend: also one that has waited for several timeouts, and
// one that comes after.
func TestCloseEndsAWaitingSend(t *testing.T) {
	for _, wait := range []time.Duration{0, sendTimeout + sendTimeout/2} {
		s := fullSocket(t)
		ended := make(chan error, 1)
		go func() { ended <- s.send([][]byte{[]byte("y")}, nil) }()
		select {
		case err := <-ended:
			t.Fatalf("a send to who takes nothing ended: %v", err)
		case <-time.After(wait):
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want net.ErrClosed", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the send still waits")
		}
		if err := s.send([][]byte{[]byte("z")}, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: got %v", err)
		}
		if err := s.close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
}

func TestSendAfterCloseIsRefused(t *testing.T) {
	s := dial(t, netip.AddrPortFrom(testGroup, port.Free(t)), "127.0.0.1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SendRun([]byte("x"), 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}
