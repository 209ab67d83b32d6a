package transfer

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A breaker stands between a receiver and the sender, and breaks their connections.
type breaker struct {
	ln    net.Listener
	to    string
	mu    sync.Mutex
	open  []*net.TCPConn // guarded by mu
	count int            // guarded by mu
	wg    sync.WaitGroup
}

// breakable puts a breaker before a host.
func (h *testHost) breakable(t *testing.T) *breaker {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{ln: ln, to: h.cfg.Sender.String()}
	h.cfg.Sender = netip.MustParseAddrPort(ln.Addr().String())
	b.wg.Go(b.run)
	t.Cleanup(func() {
		ln.Close()
		b.reset()
		b.wg.Wait()
	})
	return b
}

func (b *breaker) run() {
	for {
		in, err := b.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp4", b.to)
		if err != nil {
			in.Close()
			continue
		}
		b.mu.Lock()
		b.count++
		b.open = append(b.open, in.(*net.TCPConn), out.(*net.TCPConn))
		b.mu.Unlock()
		pipe := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_ = to.(*net.TCPConn).CloseWrite()
		}
		b.wg.Go(func() { pipe(in, out) })
		b.wg.Go(func() { pipe(out, in) })
	}
}

// reset ends all connections as a crash, or a firewall that is restarted, does.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.open {
		_ = c.SetLinger(0)
		c.Close()
	}
	b.open = nil
}

func (b *breaker) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// TestFault39Reset: a receiver whose connection is reset connects once more with the
// same identity and goes on: nobody starts again, it is counted once, and next to
// nothing is sent again.
func TestFault39Reset(t *testing.T) {
	const size = 24 << 20
	want := testBytes(size)
	for _, hosts := range []int{1, 3} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("hosts=%d,stream=%v", hosts, stream), func(t *testing.T) {
				t.Parallel()
				src := FileSource(bytes.NewReader(want), size)
				if stream {
					src = StreamSource(io.MultiReader(bytes.NewReader(want)))
				}
				s := newSession(t, hosts, src)
				s.send.MaxRate = 200 * pace.Mbps
				h := s.hosts[0]
				b := h.breakable(t)
				at := h.afterBytes(size / 3)
				go func() {
					<-at
					b.reset()
				}()
				s.run()
				s.wantAll(want, s.hosts...)
				if n := b.connections(); n != 2 {
					t.Errorf("%d connections, want 2", n)
				}
				if len(s.result.Hosts) != hosts || s.result.Done() != hosts {
					t.Errorf("the sender's result is %+v", s.result.Hosts)
				}
				once := uint64(size)/wire.DefaultPayload + 1
				if most := once * 11 / 10; s.result.Packets > most || h.result.Repairs > once/20 {
					t.Errorf("%d packets for %d, %d one to one", s.result.Packets, once, h.result.Repairs)
				}
			})
		}
	}
}

// TestFault39ResetTwice: once is forgiven; the second time both sides say why.
func TestFault39ResetTwice(t *testing.T) {
	t.Parallel()
	s, want := faultSession(t, 2, 32<<20)
	s.send.MaxRate = 100 * pace.Mbps
	h := s.hosts[0]
	b := h.breakable(t)
	at := h.afterBytes(4 << 20)
	go func() {
		<-at
		b.reset()
		for b.connections() < 2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // it is in, and READY
		b.reset()
	}()
	s.run()
	s.wantAll(want, s.hosts[1])
	if n := b.connections(); h.err == nil || n != 2 {
		t.Errorf("it ended with %v after %d connections", h.err, n)
	}
	if r := s.resultOf(h); r.Done || r.Reason != wire.Silent {
		t.Errorf("the sender says %+v", r)
	}
}
