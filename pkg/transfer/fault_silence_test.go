package transfer

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// Silence ends after wire.SilenceLimit: no earlier, and soon after it also on a busy
// machine.
const (
	silenceAtLeast = wire.SilenceLimit - time.Second
	silenceAtMost  = wire.SilenceLimit + 8*time.Second
)

// TestFault11SilentReceiver: a receiver that keeps its connection and says nothing any
// more is given up after ten seconds, alone and by name.
func TestFault11SilentReceiver(t *testing.T) {
	t.Parallel()
	s, want := faultSession(t, 3, 8<<20)
	var quiet time.Duration
	wait := s.withRogue(t, func(r *rogue) {
		began := time.Now()
		<-r.gone
		quiet = time.Since(began)
		r.wantBye(wire.Silent)
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[:2]...)
	if r := s.resultOf(s.hosts[2]); r.Done || r.Reason != wire.Silent {
		t.Errorf("the sender says %+v", r)
	}
	if quiet < silenceAtLeast || quiet > silenceAtMost {
		t.Errorf("it was given up after %v, %v are due", quiet, wire.SilenceLimit)
	}
}

// TestFault12SilentSender: a receiver whose sender keeps the connection and says
// nothing gives up after ten seconds, and does not knock again.
func TestFault12SilentSender(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t)
	var mu sync.Mutex
	var joined []*conn // guarded by mu
	welcome := wire.Welcome{Version: wire.Version, Group: freeGroup(t), Geometry: testGeometry, Mode: wire.File,
		Size: 1 << 20, ReportInterval: wire.MinReportInterval}
	d := newDoor(ln, senderTLS(id, anyone), nil, 1, orDiscard(nil), func(c *conn) {
		mu.Lock()
		defer mu.Unlock()
		joined = append(joined, c)
		if err := c.send(welcome); err != nil {
			t.Error(err)
		}
	})
	var doors sync.WaitGroup
	doors.Go(func() { _ = d.run(t.Context()) })
	var out bytes.Buffer
	began := time.Now()
	_, err = Receive(t.Context(), ReceiveConfig{LocalIP: local, Sender: ln.Addr().(*net.TCPAddr).AddrPort(), Pin: id.Pin(), Identity: identity(t)}, StreamSink(&out))
	took := time.Since(began)
	d.close()
	doors.Wait()
	mu.Lock()
	defer mu.Unlock()
	for _, c := range joined {
		c.close(0)
	}
	if !errors.Is(err, ErrSilent) || len(joined) != 1 || took < silenceAtLeast || took > silenceAtMost {
		t.Errorf("after %v and %d connections it ended with %v", took, len(joined), err)
	}
}
