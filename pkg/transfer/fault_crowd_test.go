package transfer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// cpuTime is what this process has used of processors.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestFault59AThousandAtOnce: a thousand receivers with certificates of their own
// knock at the same moment. All join, and all are told the same end; both sides
// together use less than five seconds of processors.
func TestFault59AThousandAtOnce(t *testing.T) {
	const crowd = 1000
	want := testBytes(100)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := SendConfig{LocalIP: local, Group: freeGroup(t), Identity: identity(t), Hosts: make(map[Pin]string), JoinTimeout: 15 * time.Second}
	ids := make([]*Identity, crowd)
	for i := range ids {
		ids[i] = identity(t)
		cfg.Hosts[ids[i].Pin()] = fmt.Sprint(i)
	}
	sender := ln.Addr().(*net.TCPAddr).AddrPort()
	before := cpuTime(t)
	var all sync.WaitGroup
	var joined atomic.Int64
	for i, id := range ids {
		all.Go(func() {
			from := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
			if err := joinAndLeave(t.Context(), from, sender, id, cfg.Identity.Pin(), &joined); err != nil {
				t.Errorf("receiver %d: %v", i, err)
			}
		})
	}
	result, err := Send(t.Context(), cfg, ln, FileSource(bytes.NewReader(want), int64(len(want))))
	all.Wait()
	used := cpuTime(t) - before
	if err != nil || joined.Load() != crowd || result.Done() != crowd {
		t.Errorf("%d joined, %d are done: %v", joined.Load(), result.Done(), err)
	}
	if used > raceCost*5*time.Second {
		t.Errorf("%v of processor time", used)
	}
	t.Logf("%v of processor time", used)
}

// joinAndLeave takes part in a session as far as its control connection goes: what a
// thousand groups' sockets would need of memory is not what is tested.
func joinAndLeave(ctx context.Context, from netip.Addr, sender netip.AddrPort, id *Identity, pin Pin, joined *atomic.Int64) error {
	r := reception{cfg: ReceiveConfig{LocalIP: from, Sender: sender, Pin: pin, Identity: id, ConnectTimeout: 15 * time.Second}}
	c, _, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close(byeGrace)
	joined.Add(1)
	if err := c.send(wire.Ready{}); err != nil {
		return err
	}
	for {
		m, err := c.receive(20*time.Second, wire.MaxFrame)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case wire.End:
			if err := c.send(wire.Done{Root: m.Root}); err != nil {
				return err
			}
		case wire.Bye:
			if m.Reason != wire.Finished {
				return &ByeError{m.Reason, m.Text}
			}
			return nil
		}
	}
}

// TestFault51SenderOfAnotherVersion: a receiver names both sides' versions, be the
// sender's older or newer, and does not try again.
func TestFault51SenderOfAnotherVersion(t *testing.T) {
	for _, versions := range [][]uint8{{0}, {9, 8}} {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := identity(t)
		knocks := 0
		var wg sync.WaitGroup
		d := &door{ln: ln, tls: senderTLS(id, anyone)}
		wg.Go(func() {
			for {
				raw, err := d.ln.Accept()
				if err != nil {
					return
				}
				knocks++
				answerAs(t, raw, d, versions)
			}
		})
		cfg := ReceiveConfig{LocalIP: local, Sender: ln.Addr().(*net.TCPAddr).AddrPort(), Pin: id.Pin(), Identity: identity(t), ConnectTimeout: 5 * time.Second}
		var out bytes.Buffer
		_, err = Receive(t.Context(), cfg, StreamSink(&out))
		ln.Close()
		wg.Wait()
		if !errors.Is(err, wire.ErrVersion) || !strings.Contains(err.Error(), fmt.Sprint(versions)) ||
			!strings.Contains(err.Error(), fmt.Sprintf("[%d]", wire.Version)) {
			t.Errorf("sender of %v: %v", versions, err)
		}
		if knocks != 1 || out.Len() > 0 {
			t.Errorf("sender of %v: %d attempts, %d bytes", versions, knocks, out.Len())
		}
	}
}

// TestFault58CounterAtItsLimit: the session ends, and each side says why. (That a
// sealer stops at 2^28 packets is tested in pkg/wire.)
func TestFault58CounterAtItsLimit(t *testing.T) {
	s, _ := faultSession(t, 2, 16<<20)
	s.send.testOnlyWriter = func(w packetWriter) packetWriter { return &exhausted{packetWriter: w, left: 50} }
	s.run()
	if !errors.Is(s.sendErr, wire.ErrExhausted) {
		t.Errorf("the sender ended with %v", s.sendErr)
	}
	for i, h := range s.hosts {
		var bye *ByeError
		if !errors.As(h.err, &bye) || bye.Reason != wire.Exhausted {
			t.Errorf("host %d ended with %v", i, h.err)
		}
		if r := s.resultOf(h); r.Done || r.Reason != wire.Exhausted {
			t.Errorf("the sender says of host %d: %+v", i, r)
		}
	}
	wantNoGoroutines(t)
}

// exhausted is a socket that stands for a sealer at its limit.
type exhausted struct {
	packetWriter
	left int
}

func (e *exhausted) SendRun(run []byte, size int) error {
	if e.left--; e.left < 0 {
		return wire.ErrExhausted
	}
	return e.packetWriter.SendRun(run, size)
}

// answerAs greets a receiver as a sender of other versions.
func answerAs(t *testing.T, raw net.Conn, d *door, versions []uint8) {
	t.Helper()
	tc := tls.Server(raw, d.tls)
	if err := tc.Handshake(); err != nil {
		t.Errorf("greeting: %v", err)
		raw.Close()
		return
	}
	c := newConn(tc)
	if err := c.send(wire.Hello{Versions: versions}); err != nil {
		t.Errorf("greeting: %v", err)
	}
	for { // its HELLO, and what it says to ours
		if _, err := c.receive(handshakeLimit, wire.MaxFrame); err != nil {
			break
		}
	}
	c.close(0)
}
