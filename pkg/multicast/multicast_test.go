package multicast

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/port"
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

func listen(t testing.TB, cfg ReceiverConfig) *Receiver {
	t.Helper()
	cfg.Interface = loopback(t)
	r, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	timer := time.AfterFunc(5*time.Second, r.Interrupt) // so that a lost packet does not hang the test
	t.Cleanup(func() { timer.Stop() })
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
	group := netip.AddrPortFrom(testGroup, port.Free(t))
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
	port := port.Free(t)
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
	group := netip.AddrPortFrom(testGroup, port.Free(t))
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
	group := netip.AddrPortFrom(testGroup, port.Free(t))
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
	group := netip.AddrPortFrom(testGroup, port.Free(t))
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
	r.Close()
	if r.Drops() != uint64(sent-got) {
		t.Errorf("after Close: Drops() = %d, want %d", r.Drops(), sent-got)
	}
}

func TestReadEndsAtInterruptAndClose(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	r := listen(t, ReceiverConfig{Group: group})
	r.Interrupt()
	if _, err := r.Read(); !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted before: %v, want ErrInterrupted", err)
	}
	ended := make(chan error)
	read := func() { _, err := r.Read(); ended <- err }
	go read()
	r.Interrupt()
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted: %v, want ErrInterrupted", err)
	}
	if err := dial(t, group, "127.0.0.1").Send([][][]byte{{[]byte("x")}}); err != nil {
		t.Fatal(err)
	}
	collect(t, r, 1) // an interrupt counts once
	go read()
	r.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
	if _, _, err := r.TryRead(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("TryRead after Close: %v, want net.ErrClosed", err)
	}
}

func TestNapNeverFillsTheBuffer(t *testing.T) {
	for _, tt := range []struct {
		buffer int
		want   time.Duration
	}{
		{8 << 20, napMax},
		{2 * 212992, 46 * datagramInterval}, // the default of a machine that nobody tuned
		{64 << 10, 0},
	} {
		if got := napFor(tt.buffer); got != tt.want {
			t.Errorf("napFor(%d) = %v, want %v", tt.buffer, got, tt.want)
		}
	}
}

// TestNapEndsInTimeAndAtInterrupt: whether it keeps the runtime's processor or not.
func TestNapEndsInTimeAndAtInterrupt(t *testing.T) {
	for _, mayKeep := range []bool{false, true} {
		var w waiter
		if err := w.init(2 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		w.mayKeep = mayKeep
		begun := time.Now()
		w.busy()
		w.lastBusy = w.lastBusy.Add(time.Hour) // it flows still, whenever this goroutine's turn comes
		// A signal of the runtime may end one early, once or twice.
		for range 10 {
			if err := w.wait(w.event); err != nil {
				t.Fatalf("keeping %v: %v", mayKeep, err)
			}
		}
		if took := time.Since(begun); took < 5*w.nap {
			t.Errorf("keeping %v: ten naps of %v took %v", mayKeep, w.nap, took)
		}
		w.nap = time.Hour
		w.interrupt()
		if err := w.wait(w.event); err != nil || !w.wasInterrupted() {
			t.Errorf("keeping %v: interrupted: %v", mayKeep, err)
		}
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadingAndSendingDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	group := netip.AddrPortFrom(testGroup, port.Free(t))
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

// Runs of equal datagrams go out in one piece; what arrives must not show it.
func TestSegmentationKeepsEveryDatagram(t *testing.T) {
	sizes := []int{7, 1472, 1472, 1472, 300, 300, 1, 1472, 2, 2, 3}
	for range 100 {
		sizes = append(sizes, 1472)
	}
	for range 200 {
		sizes = append(sizes, 5)
	}
	for _, noSegment := range []bool{false, true} {
		group := netip.AddrPortFrom(testGroup, port.Free(t))
		r := listen(t, ReceiverConfig{Group: group})
		s, err := Dial(SenderConfig{Group: group, Interface: loopback(t), Local: netip.MustParseAddr("127.0.0.1"), NoSegment: noSegment})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var out [][][]byte
		for i, n := range sizes {
			d := bytes.Repeat([]byte{byte(i)}, n)
			out = append(out, [][]byte{d[:n/2], d[n/2:]})
		}
		if err := s.Send(out); err != nil {
			t.Fatal(err)
		}
		for i, got := range collect(t, r, len(sizes)) {
			want := "127.0.0.1 " + string(bytes.Repeat([]byte{byte(i)}, sizes[i]))
			if got != want {
				t.Fatalf("no segmentation %v: datagram %d has %d bytes, want %d", noSegment, i, len(got), len(want))
			}
		}
		if s.Unsent() != 0 {
			t.Errorf("Unsent() = %d", s.Unsent())
		}
	}
}

func TestRunsAreWhatTheKernelTakes(t *testing.T) {
	var r runs
	r.init(true)
	datagrams := func(sizes ...int) (out [][][]byte) {
		for _, n := range sizes {
			out = append(out, [][]byte{make([]byte, n)})
		}
		return out
	}
	many := make([]int, 150)
	for i := range many {
		many[i] = 1472
	}
	for _, tt := range []struct {
		sizes, want []int
	}{
		{[]int{10, 10, 10}, []int{3}},
		{[]int{10, 10, 4, 10}, []int{3, 1}}, // a shorter one ends its run
		{[]int{4, 10, 10}, []int{1, 2}},
		{[]int{0, 0, 3}, []int{1, 1, 1}},
		{[]int{40000, 40000}, []int{1, 1}},
		{many, []int{44, 44, 44, 18}}, // 44 * 1472 fit 65507 bytes
	} {
		var got []int
		for left := datagrams(tt.sizes...); len(left) > 0; {
			m := r.pack(left)
			got = append(got, m.datagrams)
			left = left[m.datagrams:]
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("sizes %v: runs %v, want %v", tt.sizes, got, tt.want)
		}
	}
}

// A kernel or a card without UDP_SEGMENT says so by an error.
func TestSegmentFaultsAreNotLosses(t *testing.T) {
	for _, err := range []error{unix.EIO, unix.EINVAL, unix.EMSGSIZE} {
		if !isSegmentFault(err) || isLoss(err) {
			t.Errorf("%v: segment fault %v, loss %v", err, isSegmentFault(err), isLoss(err))
		}
	}
	for _, err := range []error{unix.EPERM, unix.ENETDOWN} {
		if isSegmentFault(err) || !isLoss(err) {
			t.Errorf("%v: segment fault %v, loss %v", err, isSegmentFault(err), isLoss(err))
		}
	}
}

func TestMembershipReportGolden(t *testing.T) {
	got := fmt.Sprintf("%x", membershipReport(netip.MustParseAddr("224.238.0.31")))
	// The sum is right when all four words with it are 0xffff.
	if want := "1600" + "08f2" + "e0ee001f"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The report needs a privilege; without it there is an error, not silence.
func TestReport(t *testing.T) {
	r := listen(t, ReceiverConfig{Group: netip.AddrPortFrom(testGroup, port.Free(t))})
	if err := r.Report(); err != nil && !errors.Is(err, unix.EPERM) {
		t.Errorf("Report: %v, want nil or EPERM", err)
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
	group := netip.AddrPortFrom(testGroup, port.Free(b))
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
