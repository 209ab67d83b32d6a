package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A thousand pulls of one blob at once cost buffers, not blobs: from the store, and
// through an upstream as well. As many as there is room for are sent, the rest wait
// in line. The bound has both ends of the connections in it, 24 KiB each with their
// goroutines' stacks, and upstream the 16 MiB of the relays.
func TestMemoryStaysFlat(t *testing.T) {
	const size, pulls, bound = 4 << 20, 1000, 64 << 20
	f := newFixture(t)
	layer := f.big("kolla/a", "1", size)
	lean := f.lean()
	check(t, WriteUpstream(lean.Dir(), Upstream{URL: start(t, f.whole())}))
	for name, st := range map[string]*store.Store{"store": f.whole(), "upstream": lean} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(Config{Store: st})
			var asked atomic.Int64
			base := startTight(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				h.ServeHTTP(w, r)
			}))
			before := heap()
			var begun, end sync.WaitGroup
			begun.Add(maxPulls)
			var places atomic.Int64
			measured := make(chan struct{}) // closed when the heap was looked at
			for range pulls {
				end.Go(func() {
					err := slowPull(base, layer, measured, func() {
						if places.Add(1) <= maxPulls {
							begun.Done()
						}
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			begun.Wait()
			eventually(t, "all have asked", func() bool { return asked.Load() == pulls })
			grown := int64(heap()) - int64(before)
			if n := len(h.pulls); n != maxPulls {
				t.Errorf("%d pulls are under way, want %d", n, maxPulls)
			}
			close(measured)
			end.Wait()
			t.Logf("%d pulls of %d bytes hold %d KiB", pulls, size, grown>>10)
			if grown > bound {
				t.Errorf("%d pulls hold %d bytes, want %d at most", pulls, grown, bound)
			}
		})
	}
}

// startTight serves h over connections with small buffers, so that a client that
// does not read holds the handler and not only the kernel.
func startTight(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// slowPull reads the beginning of b, waits for measured and hangs up: with such
// small buffers the rest would take long. One that still stands in line when it was
// measured has begun nothing.
func slowPull(base string, b store.Blob, measured <-chan struct{}, begun func()) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	fmt.Fprintf(conn, "GET /v2/kolla/a/blobs/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b.Digest)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-measured:
			conn.Close()
		case <-over:
		}
	}()
	if n, err := io.ReadFull(conn, make([]byte, 4096)); err != nil {
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return fmt.Errorf("after %d bytes: %w", n, err)
	}
	begun()
	<-measured
	return nil
}

// More pulls than there is room for wait in line, and leave it with their client.
func TestPullsWaitInLine(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	h := newHandler(Config{Store: f.whole()})
	h.pulls = make(chan struct{}, 1)
	h.pulls <- struct{}{}
	base := startHandler(t, h)
	url := base + "/v2/kolla/a/blobs/" + string(layer.Digest)
	request(t, "HEAD", url).wantStatus(t, 200, "") // costs nothing, waits for nobody
	get(t, base+"/v2/").wantStatus(t, 200, "")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	check(t, err)
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a pull that waits", err)
	}
	<-h.pulls
	get(t, url).wantStatus(t, 200, "")
	get(t, url).wantStatus(t, 200, "")
}

// deadlines counts the write deadlines that are set.
type deadlines struct {
	*httptest.ResponseRecorder
	set int
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	if time.Until(at) > 0 {
		d.set++
	}
	return nil
}

// A client that stops reading does not hold its place for ever: each chunk has
// its own deadline.
func TestEachChunkHasADeadline(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w := newResponse(d)
	n, err := w.ReadFrom(io.LimitReader(zeros{}, 3*writeChunk+1))
	check(t, err)
	if n != 3*writeChunk+1 || w.sent != n || d.Body.Len() != int(n) {
		t.Errorf("sent %d (counted %d, arrived %d)", n, w.sent, d.Body.Len())
	}
	if d.set < 4 {
		t.Errorf("got %d deadlines for 4 chunks", d.set)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// With AccessLog each request is one line at level info.
func TestAccessLogIsSwitchedOn(t *testing.T) {
	for _, on := range []bool{false, true} {
		var log bytes.Buffer
		h := New(Config{Store: newFixture(t).whole(), AccessLog: on, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 3 {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/", nil))
		}
		if n := strings.Count(log.String(), "\n"); on && n != 3 || !on && n != 0 {
			t.Errorf("switched on %v: %d lines for 3 requests", on, n)
		}
	}
}

// Every request is one debug record; faults are warnings.
func TestAccessLog(t *testing.T) {
	f := newFixture(t)
	f.big("kolla/a", "1", 1000)
	var log bytes.Buffer
	st := f.lean()
	h := New(Config{Store: st, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	check(t, WriteUpstream(st.Dir(), Upstream{URL: "http://127.0.0.1:1", Username: "u", Password: "marker"}))
	for _, path := range []string{"/v2/", "/v2/kolla/a/manifests/1"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "level=DEBUG") || !strings.Contains(lines[0], "path=/v2/ status=200") {
		t.Fatalf("got %q", lines)
	}
	if !strings.Contains(lines[1], "level=WARN") || !strings.Contains(lines[1], "status=502") || !strings.Contains(lines[1], "127.0.0.1:1") {
		t.Errorf("got %q", lines[1])
	}
	if strings.Contains(log.String(), "marker") {
		t.Error("the log shows the password (fault 77)")
	}
}
