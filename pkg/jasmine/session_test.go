package jasmine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

func TestSizes(t *testing.T) {
	const buffer = 64 * maxPayload // of newLab
	for _, n := range []int{0, 1, 3, maxPayload - 1, maxPayload, maxPayload + 1, 2 * maxPayload,
		buffer - 1, buffer, buffer + 1, 3 * buffer, 3*buffer + 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := newLab(t, 2)
			want := noise(1, n)
			l.serve(bytes.NewReader(want))
			a, b := l.client(nil), l.client(nil)
			l.wantStream("a", <-a, want)
			l.wantStream("b", <-b, want)
			r, err := l.end()
			if err != nil || r.Bytes != int64(n) || !r.Complete() {
				t.Errorf("server: %v, %+v", err, r)
			}
			for _, c := range r.Clients {
				if c.Bytes != int64(n) {
					t.Errorf("%v confirmed %d bytes, want %d", c.Addr, c.Bytes, n)
				}
			}
		})
	}
}

// Over 100 MB, in buffers of the real length, once.
func TestOver100MB(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB")
	}
	const size = 101 << 20
	l := newLab(t, 2)
	l.config.testOnlyBufferPackets = 0
	block, want := noise(2, 1<<20), sha256.New()
	for range size >> 20 {
		want.Write(block)
	}
	l.serve(io.LimitReader(&loop{block: block}, size))
	var done []<-chan received
	for range 2 {
		got := sha256.New()
		done = append(done, l.clientTo(got, func() []byte { return got.Sum(nil) }, nil))
	}
	for _, d := range done {
		l.wantStream("client", <-d, want.Sum(nil))
	}
	if r, err := l.end(); err != nil || !r.Complete() {
		t.Errorf("server: %v, %+v", err, r)
	}
}

// A loop repeats a block for ever.
type loop struct {
	block []byte
	at    int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.block[l.at:])
	l.at = (l.at + n) % len(l.block)
	return n, nil
}

// Each fault has its clients, beside one without, and all must have the bytes.
func TestFaultyNetworks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(seed uint64) func(multicast.Packet) []multicast.Packet
		check func(Stats) bool
	}{
		{"Fault30/all lost", func(s uint64) func(multicast.Packet) []multicast.Packet { return lose(s, 100) },
			func(s Stats) bool { return s.Repaired == s.Packets && s.Lost == s.Packets }},
		{"Fault32/30 percent lost", func(s uint64) func(multicast.Packet) []multicast.Packet { return lose(s, 30) },
			func(s Stats) bool { return s.Repaired > 0 && s.Lost >= s.Repaired }},
		{"Fault33/bursts lost", func(uint64) func(multicast.Packet) []multicast.Packet { return loseBursts(40) },
			func(s Stats) bool { return s.Repaired > 0 }},
		{"Fault34/half duplicated", func(s uint64) func(multicast.Packet) []multicast.Packet { return duplicateSome(s, 50) },
			func(s Stats) bool { return s.Duplicates > 0 && s.Repaired == 0 }},
		{"Fault35/reordered", func(s uint64) func(multicast.Packet) []multicast.Packet { return reorder(s, 20) },
			func(s Stats) bool { return s.Repaired < s.Packets/4 }},
		{"Fault36/corrupted", func(s uint64) func(multicast.Packet) []multicast.Packet { return corrupt(s, 2) },
			func(s Stats) bool { return s.Misfits > 0 && s.Repaired > 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 3)
			want := noise(3, 300*maxPayload+11)
			l.serve(bytes.NewReader(want))
			well := l.client(nil)
			var ill []<-chan received
			for seed := range uint64(2) {
				ill = append(ill, l.client(func(c *ClientConfig) {
					c.testOnlyListen = faulty(l.local, tt.fault(seed))
				}))
			}
			l.wantStream("the healthy client", <-well, want)
			for _, c := range ill {
				got := <-c
				l.wantStream("an ill client", got, want)
				if !tt.check(got.stats) {
					t.Errorf("unexpected %+v", got.stats)
				}
				if got.stats.Packets != 301 || got.stats.Bytes != int64(len(want)) {
					t.Errorf("%d packets, %d bytes, want 301, %d", got.stats.Packets, got.stats.Bytes, len(want))
				}
			}
			if r, err := l.end(); err != nil || !r.Complete() {
				t.Errorf("server: %v, %+v", err, r)
			}
		})
	}
}

// What a slow pipe gives is passed on without waiting for a full buffer: each
// piece is written only after the one before has arrived.
func TestSlowPipe(t *testing.T) {
	l := newLab(t, 1)
	in, feed := io.Pipe()
	l.serve(in)
	outR, outW := io.Pipe()
	done := l.clientTo(outW, func() []byte { return nil }, func(c *ClientConfig) {
		c.Finish = outW.Close
	})
	for _, piece := range []string{"short ", strings.Repeat("x", 5*maxPayload+3), "end"} {
		if _, err := io.WriteString(feed, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(outR, got); err != nil || string(got) != piece {
			t.Fatalf("got %.20q, %v, want %.20q", got, err, piece)
		}
	}
	feed.Close()
	if rest, err := io.ReadAll(outR); err != nil || len(rest) > 0 {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
	if r, err := l.end(); err != nil || !r.Complete() {
		t.Errorf("server: %v, %+v", err, r)
	}
}

// A failing output ends in an error at the client, and the server counts the
// client as dropped (case B of the originals: they exit 0).
func TestFault19FullDisk(t *testing.T) {
	l := newLab(t, 2)
	want := noise(4, 1000*maxPayload)
	l.serve(bytes.NewReader(want))
	well := l.client(nil)
	full := l.clientTo(fullDisk{}, func() []byte { return nil }, nil)
	got := <-full
	var output *OutputError
	if !errors.As(got.err, &output) || !errors.Is(got.err, syscall.ENOSPC) {
		t.Errorf("full disk: %v, want an OutputError of ENOSPC", got.err)
	}
	l.wantStream("the other client", <-well, want)
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, 1, 1, 0)
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// An error that shows only when the output is synced or closed counts as much.
func TestFault20ErrorAtFinish(t *testing.T) {
	l := newLab(t, 1)
	l.serve(strings.NewReader("some bytes"))
	got := <-l.client(func(c *ClientConfig) {
		c.Finish = func() error { return syscall.EIO }
	})
	var output *OutputError
	if !errors.As(got.err, &output) {
		t.Errorf("client: %v, want an OutputError", got.err)
	}
	r, err := l.end()
	if !errors.Is(err, ErrNoClients) {
		t.Errorf("server: %v, want ErrNoClients", err)
	}
	l.wantStates(r, 0, 1, 0)
}

// The last round comes after all writes: no client says DONE there before its
// last byte is written, however slow its disk.
func TestNoSuccessBeforeTheLastWrite(t *testing.T) {
	l := newLab(t, 1)
	l.serve(strings.NewReader("slowly"))
	w := &gatedWriter{entered: make(chan struct{}), gate: make(chan error)}
	done := l.clientTo(w, func() []byte { return nil }, nil)
	<-w.entered
	w.gate <- io.ErrShortWrite
	if got := <-done; !errors.Is(got.err, io.ErrShortWrite) {
		t.Errorf("client: %v, want the write's error", got.err)
	}
	r, _ := l.end()
	l.wantStates(r, 0, 1, 0)
}

type gatedWriter struct {
	entered chan struct{}
	gate    chan error
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	close(w.entered)
	return 0, <-w.gate
}

// Packets of a stranger, right in every field, are dropped (case C of the
// originals: they take them).
func TestFault47ForeignPackets(t *testing.T) {
	l := newLab(t, 1)
	want := noise(5, 40*maxPayload)
	in, feed := io.Pipe()
	l.serve(in)
	// The forger speaks first, from another address, for every packet there is.
	group := netip.AddrPortFrom(DefaultGroup(), l.config.Port)
	var out bytes.Buffer
	client := mustClient(t, l.clientConfig())
	done := make(chan error, 1)
	go func() { _, err := client.Receive(t.Context(), &out); done <- err }()
	forge(t, group, netip.MustParseAddr("127.0.0.66"), func() bool { return client.Stats().Foreign >= 40 })
	go func() { feed.Write(want); feed.Close() }()
	if err := <-done; err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%v; wrote %d bytes", err, out.Len())
	}
	if s := client.Stats(); s.Misfits != 0 || s.Repaired != 0 {
		t.Errorf("strangers disturbed: %+v", s)
	}
}

// forge sends packets 0 to 39 with right sums until enough.
func forge(t *testing.T, group netip.AddrPort, from netip.Addr, enough func() bool) {
	t.Helper()
	s := dialMulticast(t, group, from)
	payload := bytes.Repeat([]byte("evil"), maxPayload/4)
	for end := time.Now().Add(10 * time.Second); !enough(); {
		if time.Now().After(end) {
			t.Fatal("the forged packets are not seen")
		}
		for seq := range uint32(40) {
			if err := s.Send([][][]byte{{appendHeader(nil, wireOrder, seq, payload), payload}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Two sessions on one group and port at once (case F of the originals: both end
// with mixed bytes and exit 0). Here their servers' addresses tell them apart.
func TestFault50TwoSessionsOnOneGroup(t *testing.T) {
	port := port.Free(t)
	var labs []*lab
	var wants [][]byte
	var clients []<-chan received
	for i := range 2 {
		l := newLab(t, 2)
		l.local = netip.AddrFrom4([4]byte{127, 0, 0, byte(21 + i)})
		l.ln.Close()
		l.ln = listenTCP(t, l.local)
		l.config.LocalIP, l.config.Port = l.local, port
		l.config.MaxRate = 10e6 // 0.7 s, so that both are under way at the same time
		want := noise(uint64(10+i), 600*maxPayload)
		l.serve(bytes.NewReader(want))
		labs, wants = append(labs, l), append(wants, want)
	}
	for _, l := range labs {
		clients = append(clients, l.client(nil), l.client(nil))
	}
	for i, c := range clients {
		got := <-c
		labs[i/2].wantStream(fmt.Sprintf("client %d", i), got, wants[i/2])
		if got.stats.Foreign == 0 {
			t.Errorf("client %d did not meet the other session", i)
		}
	}
	for _, l := range labs {
		if r, err := l.end(); err != nil || !r.Complete() {
			t.Errorf("server: %v, %+v", err, r)
		}
	}
}

// Two senders at the server's own address cannot be told apart: an error, never
// wrong bytes.
func TestFault50TwoSendersAtOneAddress(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.31")
	group := netip.AddrPortFrom(DefaultGroup(), port.Free(t))
	s := newScript(t, local, group)
	s.info(1, 2*4, 0, 2)
	s.expect(opReady)
	s.multicast(0, "real")
	other := dialMulticast(t, group, local)
	if err := other.Send([][][]byte{{appendHeader(nil, wireOrder, 1, []byte("evil")), []byte("evil")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.end(); !errors.Is(err, ErrMixed) {
		t.Errorf("client: %v, want ErrMixed", err)
	}
}

// A thousand clients join at once.
func TestFault59ThousandClients(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	var before syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	l := newLab(t, n)
	want := noise(6, 20*maxPayload)
	l.serve(bytes.NewReader(want))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			got := <-l.client(func(c *ClientConfig) { c.testOnlyListen = faulty(l.local, noFault) })
			l.wantStream("client", got, want)
		})
	}
	wg.Wait()
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, n, 0, 0)
	var after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	t.Logf("%d clients and their server used %v of CPU", n, cpu)
}

// The end of the server's context ends everybody, none with success.
func TestFault5Interrupt(t *testing.T) {
	l := newLab(t, 2)
	in, feed := io.Pipe()
	l.serve(in)
	defer feed.Close()
	var outs []io.Reader
	var clients []<-chan received
	for range 2 {
		r, w := io.Pipe()
		outs = append(outs, r)
		clients = append(clients, l.clientTo(w, func() []byte { return nil }, nil))
	}
	if _, err := feed.Write(noise(7, maxPayload)); err != nil {
		t.Fatal(err)
	}
	for _, out := range outs { // all are in the middle of the stream
		if _, err := io.ReadFull(out, make([]byte, maxPayload)); err != nil {
			t.Fatal(err)
		}
	}
	l.cancel()
	for _, c := range clients {
		if got := <-c; !errors.Is(got.err, ErrServerClosed) {
			t.Errorf("client: %v, want ErrServerClosed", got.err)
		}
	}
	r, err := l.end()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("server: %v, want context.Canceled", err)
	}
	if r.Done() != 0 {
		t.Errorf("%d clients are done", r.Done())
	}
}

// An input that cannot be read is nobody's success.
func TestUnreadableInput(t *testing.T) {
	l := newLab(t, 1)
	l.serve(io.MultiReader(bytes.NewReader(noise(8, 100*maxPayload)), brokenReader{}))
	if got := <-l.client(nil); !errors.Is(got.err, ErrServerClosed) {
		t.Errorf("client: %v, want ErrServerClosed", got.err)
	}
	r, err := l.end()
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("server: %v, want EIO", err)
	}
	l.wantStates(r, 0, 1, 0)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, syscall.EIO }

// A multicast that does not leave the host at all is loss, not failure.
func TestNothingLeavesByMulticast(t *testing.T) {
	l := newLab(t, 1)
	want := noise(9, 200*maxPayload)
	server := mustServer(t, l.config)
	go func() {
		r, err := server.serve(t.Context(), l.ln, bytes.NewReader(want), deafSender{})
		l.served <- served{r, err}
	}()
	got := <-l.client(nil)
	l.wantStream("client", got, want)
	if r, err := l.end(); err != nil || !r.Complete() || r.Resent != 200 {
		t.Errorf("server: %v, %+v", err, r)
	}
}

type deafSender struct{}

func (deafSender) Send([][][]byte) error { return nil }
func (deafSender) Unsent() uint64        { return 0 }
func (deafSender) Close() error          { return nil }
