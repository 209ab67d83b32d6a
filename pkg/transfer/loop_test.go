package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// sessionLimit ends a session that does not end by itself, on a machine that has time for it
// now and then.
const sessionLimit = time.Minute

// enoughToJoin is how long a sender waits where somebody does not come: on a busy machine
// those that do are in.
const enoughToJoin = time.Second

// A session is a sender and receivers in one process, over the loopback
// interface.
type session struct {
	t     testing.TB
	send  SendConfig
	src   Source
	ln    net.Listener
	hosts []*testHost
	log   *lockedLog

	ctx     context.Context //nolint:containedctx // the sender's, if not the test's
	result  SendResult
	sendErr error
	began   time.Time
	took    time.Duration
}

// A testHost is one receiver.
type testHost struct {
	cfg    ReceiveConfig
	out    string // a file
	stream bool   // written in order
	sink   *Sink  // instead of the file
	keep   bool   // the file is not touched
	absent bool   // it never comes
	start  <-chan struct{}

	ctx    context.Context //nolint:containedctx // this receiver's, which the test ends
	cancel context.CancelFunc
	result ReceiveResult
	err    error
}

func freeGroup(t testing.TB) netip.AddrPort {
	return netip.AddrPortFrom(DefaultGroup(), port.Free(t))
}

// newSession prepares a sending of src to n pinned hosts.
func newSession(t testing.TB, n int, src Source) *session {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, src: src, ln: ln, log: &lockedLog{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.send = SendConfig{
		LocalIP: local, Group: freeGroup(t), Identity: identity(t), Hosts: make(map[Pin]string),
		JoinTimeout: 20 * time.Second, MaxRate: 2 * pace.Gbps, Log: log,
	}
	dir := t.TempDir()
	for i := range n {
		h := &testHost{out: filepath.Join(dir, fmt.Sprint(i))}
		h.ctx, h.cancel = context.WithCancel(t.Context())
		h.cfg = ReceiveConfig{
			LocalIP: netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + i)}), Sender: ln.Addr().(*net.TCPAddr).AddrPort(),
			Pin: s.send.Identity.Pin(), Identity: identity(t), ConnectTimeout: 10 * time.Second, Log: log,
		}
		s.send.Hosts[h.cfg.Identity.Pin()] = fmt.Sprintf("host%d", i)
		s.hosts = append(s.hosts, h)
	}
	return s
}

// run runs all to their ends.
func (s *session) run() {
	s.t.Helper()
	var wg sync.WaitGroup
	for _, h := range s.hosts {
		if !h.absent {
			wg.Go(func() { h.run(s.t) })
		}
	}
	s.began = time.Now()
	if s.ctx == nil {
		s.ctx = s.t.Context()
	}
	ctx, cancel := context.WithTimeout(s.ctx, sessionLimit)
	defer cancel()
	s.result, s.sendErr = Send(ctx, s.send, s.ln, s.src)
	s.took = time.Since(s.began)
	wg.Wait()
}

func (h *testHost) run(t testing.TB) {
	defer h.cancel()
	if h.start != nil {
		<-h.start
	}
	if h.keep {
		h.result, h.err = Receive(h.ctx, h.cfg, *h.sink)
		return
	}
	f, err := os.Create(h.out)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	sink := FileSink(f)
	if h.stream {
		sink = StreamSink(f)
	}
	if h.sink != nil {
		sink = *h.sink
	}
	h.result, h.err = Receive(h.ctx, h.cfg, sink)
}

// wantAll checks that hosts have exactly want and that both ends say so.
func (s *session) wantAll(want []byte, hosts ...*testHost) {
	s.t.Helper()
	if s.sendErr != nil {
		for _, h := range s.hosts {
			s.t.Logf("%+v, %v; the sender says %+v", h.result, h.err, s.resultOf(h))
		}
		s.t.Fatalf("sending: %v; %+v\n%s", s.sendErr, s.result, s.log)
	}
	for i, h := range hosts {
		if h.err != nil {
			s.t.Errorf("host %d: %v\n%s", i, h.err, s.log)
			continue
		}
		got, err := os.ReadFile(h.out)
		if err != nil || !bytes.Equal(got, want) {
			s.t.Errorf("host %d: %d bytes came out wrong, %v", i, len(got), err)
		}
		if h.result.Size != int64(len(want)) {
			s.t.Errorf("host %d says %d bytes, want %d", i, h.result.Size, len(want))
		}
		if r := s.resultOf(h); !r.Done {
			s.t.Errorf("the sender says of host %d: %+v", i, r)
		}
	}
}

func (s *session) resultOf(h *testHost) HostResult {
	name := s.send.Hosts[h.cfg.Identity.Pin()]
	for _, r := range s.result.Hosts {
		if r.Name == name {
			return r
		}
	}
	return HostResult{}
}

// lossyReader drops a share of the datagrams.
type lossyReader struct {
	packetReader
	drop func(datagram []byte) bool
	left []multicast.Packet
}

func (l *lossyReader) Read() ([]multicast.Packet, error) {
	packets, err := l.packetReader.Read()
	l.left = l.left[:0]
	for _, p := range packets {
		if !l.drop(p.Data) {
			l.left = append(l.left, p)
		}
	}
	return l.left, err
}

// lose makes a host lose a share of what is sent.
func (h *testHost) lose(share float64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	h.dropIf(func([]byte) bool { return rng.Float64() < share })
}

func (h *testHost) dropIf(drop func([]byte) bool) {
	h.cfg.testOnlyReader = func(r packetReader) packetReader { return &lossyReader{packetReader: r, drop: drop} }
}

func TestLoopSizes(t *testing.T) {
	block, segment := testGeometry.BlockSize(), testGeometry.SegmentSize()
	for _, size := range []int{0, 1, wire.DefaultPayload, block, segment, 2 * segment, 3*segment + block + 7} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d,stream=%v", size, stream), func(t *testing.T) {
				want := testBytes(size)
				src := FileSource(bytes.NewReader(want), int64(size))
				if stream {
					src = StreamSource(io.MultiReader(bytes.NewReader(want)))
				}
				s := newSession(t, 3, src)
				s.hosts[1].stream = true
				s.run()
				s.wantAll(want, s.hosts...)
			})
		}
	}
}

// TestLoopLargerThanMemory: the stream is ten times the buffers of either side.
func TestLoopLargerThanMemory(t *testing.T) {
	want := testBytes(64 << 20)
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream=%v", stream), func(t *testing.T) {
			src := FileSource(bytes.NewReader(want), int64(len(want)))
			if stream {
				src = StreamSource(io.MultiReader(bytes.NewReader(want)))
			}
			s := newSession(t, 3, src)
			s.send.Memory, s.send.Slow = 13<<20, Wait
			for i, h := range s.hosts {
				h.cfg.Memory = 6 << 20
				h.stream = i == 1
			}
			s.run()
			s.wantAll(want, s.hosts...)
			t.Logf("took %v: %d packets, %d parity, %d again, %d repairs; host: %+v", s.took, s.result.Packets,
				s.result.Parity, s.result.Repeated, s.result.Repairs, s.hosts[0].result)
		})
	}
}

func TestFault32LoopLoss(t *testing.T) {
	want := testBytes(16 << 20)
	for _, share := range []float64{0.01, 0.05, 0.2} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			s := newSession(t, 4, FileSource(bytes.NewReader(want), int64(len(want))))
			for i, h := range s.hosts {
				h.lose(share, uint64(i))
				h.stream = i == 2
			}
			s.run()
			s.wantAll(want, s.hosts...)
			t.Logf("took %v: %d packets, %d parity, %d again, %d repairs; host: %+v", s.took, s.result.Packets,
				s.result.Parity, s.result.Repeated, s.result.Repairs, s.hosts[0].result)
		})
	}
}
