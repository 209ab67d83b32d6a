package multicast

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

var testGroup = netip.MustParseAddr("239.192.77.200")

func loopback(t testing.TB) *net.Interface {
	t.Helper()
	ifi, err := InterfaceOf(netip.MustParseAddr("127.0.0.9"))
	if err != nil {
		t.Fatal(err)
	}
	return ifi
}

// freePort returns a UDP port that nothing on this machine uses.
func freePort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func listen(t testing.TB, cfg ReceiverConfig) *Receiver {
	t.Helper()
	cfg.Interface = loopback(t)
	r, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return r
}

func dial(t testing.TB, group netip.AddrPort, local string) *Sender {
	t.Helper()
	s, err := Dial(SenderConfig{Group: group, Interface: loopback(t), Local: netip.MustParseAddr(local)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// collect reads until n packets came.
func collect(t testing.TB, r *Receiver, n int) (out []string) {
	t.Helper()
	for len(out) < n {
		ps, err := r.Read()
		if err != nil {
			t.Fatalf("after %d of %d packets: %v", len(out), n, err)
		}
		for _, p := range ps {
			out = append(out, fmt.Sprintf("%v %s", p.From.Addr(), p.Data))
		}
	}
	return out
}

func TestSeveralLocalReceiversEachHearEveryDatagram(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, freePort(t))
	receivers := []*Receiver{
		listen(t, ReceiverConfig{Group: group}),
		listen(t, ReceiverConfig{Group: group}),
		listen(t, ReceiverConfig{Group: group, Batch: 3}),
	}
	s := dial(t, group, "127.0.0.9")
	var out [][][]byte
	for i := range 150 { // more than two batches of the sender
		out = append(out, [][]byte{[]byte("head "), fmt.Appendf(nil, "%d", i)})
	}
	if err := s.Send(out); err != nil {
		t.Fatal(err)
	}
	for n, r := range receivers {
		for i, got := range collect(t, r, len(out)) {
			if want := fmt.Sprintf("127.0.0.9 head %d", i); got != want {
				t.Fatalf("receiver %d: packet %d is %q, want %q", n, i, got, want)
			}
		}
	}
}

func TestOtherGroupOfSamePortIsNotHeard(t *testing.T) {
	port := freePort(t)
	mine := netip.AddrPortFrom(testGroup, port)
	other := netip.AddrPortFrom(testGroup.Next(), port)
	r := listen(t, ReceiverConfig{Group: mine})
	listen(t, ReceiverConfig{Group: other}) // so that the host is a member
	if err := dial(t, other, "127.0.0.1").Send([][][]byte{{[]byte("other")}}); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, mine, "127.0.0.1").Send([][][]byte{{[]byte("mine")}}); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, 1)[0]; got != "127.0.0.1 mine" {
		t.Errorf("got %q, want only what was sent to the group", got)
	}
}

func TestSourceFilterDropsAndCountsOthers(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, freePort(t))
	r := listen(t, ReceiverConfig{Group: group, Source: netip.MustParseAddr("127.0.0.2")})
	for _, from := range []string{"127.0.0.3", "127.0.0.2"} {
		if err := dial(t, group, from).Send([][][]byte{{[]byte("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := collect(t, r, 1)[0]; got != "127.0.0.2 x" {
		t.Errorf("got %q, want the packet of 127.0.0.2", got)
	}
	if r.Foreign() != 1 {
		t.Errorf("Foreign() = %d, want 1", r.Foreign())
	}
}

func TestOversizeDatagramIsDroppedNotTruncated(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, freePort(t))
	r := listen(t, ReceiverConfig{Group: group, MaxDatagram: 10})
	s := dial(t, group, "127.0.0.1")
	if err := s.Send([][][]byte{{make([]byte, 11)}, {bytes.Repeat([]byte("y"), 10)}}); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, 1)[0]; got != "127.0.0.1 yyyyyyyyyy" {
		t.Errorf("got %q, want the packet of 10 bytes", got)
	}
	if r.Oversize() != 1 {
		t.Errorf("Oversize() = %d, want 1", r.Oversize())
	}
}

func TestDropsCountsWhatDidNotFitTheBuffer(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, freePort(t))
	r := listen(t, ReceiverConfig{Group: group, BufferBytes: 16 << 10})
	if r.BufferBytes() < 16<<10 {
		t.Errorf("BufferBytes() = %d, want what the kernel gave", r.BufferBytes())
	}
	const sent = 400
	out := make([][][]byte, sent)
	for i := range out {
		out[i] = [][]byte{make([]byte, 1400)}
	}
	if err := dial(t, group, "127.0.0.1").Send(out); err != nil {
		t.Fatal(err)
	}
	got := 0
	for more := true; more; {
		var ps []Packet
		var err error
		if ps, more, err = r.TryRead(); err != nil {
			t.Fatal(err)
		}
		got += len(ps)
	}
	if got == sent || r.Drops() != uint64(sent-got) {
		t.Errorf("%d of %d received, Drops() = %d", got, sent, r.Drops())
	}
}

func TestReadEndsAtDeadlineAndClose(t *testing.T) {
	r := listen(t, ReceiverConfig{Group: netip.AddrPortFrom(testGroup, freePort(t))})
	r.SetReadDeadline(time.Unix(1, 0))
	if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v, want os.ErrDeadlineExceeded", err)
	}
	r.SetReadDeadline(time.Time{})
	ended := make(chan error)
	go func() { _, err := r.Read(); ended <- err }()
	r.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
}

func TestReadingAndSendingDoNotAllocate(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, freePort(t))
	r := listen(t, ReceiverConfig{Group: group})
	s := dial(t, group, "127.0.0.1")
	out := [][][]byte{{[]byte("head"), []byte("body")}}
	allocs := testing.AllocsPerRun(100, func() {
		if err := s.Send(out); err != nil {
			t.Fatal(err)
		}
		if ps, err := r.Read(); err != nil || len(ps) != 1 {
			t.Fatal(ps, err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations a datagram, want 0", allocs)
	}
}

func TestBadAddresses(t *testing.T) {
	for _, group := range []string{"10.0.0.1:5", "239.1.1.1:0", "[ff02::1]:5"} {
		if err := CheckGroup(netip.MustParseAddrPort(group)); !errors.Is(err, ErrNotGroup) {
			t.Errorf("CheckGroup(%s) = %v, want ErrNotGroup", group, err)
		}
	}
	if _, err := InterfaceOf(netip.MustParseAddr("192.0.2.77")); !errors.Is(err, ErrNoInterface) {
		t.Errorf("InterfaceOf an address of nobody: %v, want ErrNoInterface", err)
	}
}

func BenchmarkLoopback(b *testing.B) {
	group := netip.AddrPortFrom(testGroup, freePort(b))
	r := listen(b, ReceiverConfig{Group: group})
	s := dial(b, group, "127.0.0.1")
	out := make([][][]byte, DefaultBatch)
	for i := range out {
		out[i] = [][]byte{make([]byte, 12), make([]byte, 1460)}
	}
	b.SetBytes(DefaultBatch * 1472)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(out); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < len(out); {
			ps, err := r.Read()
			if err != nil {
				b.Fatal(err)
			}
			n += len(ps)
		}
	}
}
