package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A countedUpstream serves a whole store, and counts who asks for a blob's content.
type countedUpstream struct {
	url    string
	gets   atomic.Int32
	ranges atomic.Int32  // of gets
	gate   chan struct{} // GETs of blobs wait until it is closed
}

func newCountedUpstream(t *testing.T, f *fixture) *countedUpstream {
	u := &countedUpstream{gate: make(chan struct{})}
	next := New(Config{Store: newCopy(f).whole()})
	u.url = startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			u.gets.Add(1)
			if r.Header.Get("Range") != "" {
				u.ranges.Add(1)
			}
			<-u.gate
		}
		next.ServeHTTP(w, r)
	}))
	return u
}

// leaning is a handler over a store that has only u.
func leaning(t *testing.T, st *store.Store, u *countedUpstream, cfg Config) (*handler, string) {
	t.Helper()
	check(t, WriteUpstream(st.Dir(), Upstream{URL: u.url}))
	cfg.Store = st
	h := newHandler(cfg)
	t.Cleanup(h.flights.stop)
	return h, startTight(t, h)
}

func (fs *flights) askers() (n int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.alive {
		f.mu.Lock()
		n += len(f.askers)
		f.mu.Unlock()
	}
	return n
}

// eventually waits for what other goroutines are about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// Fifty who ask at once cost the upstream one fetch, of a blob as of a manifest, and
// each gets all of it.
func TestR10OneFetchForManyAskers(t *testing.T) {
	const askers = 50
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 3*flightWindow+17)
	u := newCountedUpstream(t, f)
	h, base := leaning(t, f.lean(), u, Config{})
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			resp, err := http.Get(base + "/v2/kolla/a/blobs/" + string(layer.Digest))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if err := relay(io.Discard, resp.Body, layer); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("status %d, %v", resp.StatusCode, err)
			}
		})
	}
	eventually(t, "all have asked", func() bool { return h.flights.askers() == askers })
	close(u.gate)
	all.Wait()
	// Who was not scheduled for longer than the others' patience asks again for the
	// rest alone: that is by design and may happen on a machine that is overloaded.
	whole := u.gets.Load() - u.ranges.Load()
	if whole != 1 || u.ranges.Load() > askers/10 {
		t.Errorf("the upstream was asked %d times for all and %d times for a rest, want once", whole, u.ranges.Load())
	}
	if n := h.flights.shared.n.Load(); n != askers-1 {
		t.Errorf("%d shared it, want %d", n, askers-1)
	}
	eventually(t, "the flight has ended", func() bool { return h.flights.askers() == 0 && len(h.flights.open) == 0 })
}

// One that stops reading holds the others up for its patience and no longer; it
// gets the rest when it reads on.
func TestR10SlowAskerDoesNotStallOthers(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 2*flightWindow)
	u := newCountedUpstream(t, f)
	h, base := leaning(t, f.lean(), u, Config{})
	slow, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	check(t, err)
	defer slow.Close()
	slow.(*net.TCPConn).SetReadBuffer(16 << 10)
	fmt.Fprintf(slow, "GET /v2/kolla/a/blobs/%s HTTP/1.0\r\n\r\n", layer.Digest)
	eventually(t, "the slow one has asked", func() bool { return h.flights.askers() == 1 })
	var fast sync.WaitGroup
	for range 3 {
		fast.Go(func() {
			resp, err := http.Get(base + "/v2/kolla/a/blobs/" + string(layer.Digest))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if err := relay(io.Discard, resp.Body, layer); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all have asked", func() bool { return h.flights.askers() == 4 })
	close(u.gate)
	fast.Wait()                                // the slow one has read nothing so far; without its patience's end this hangs
	slow.(*net.TCPConn).SetReadBuffer(4 << 20) // no longer slow
	raw, err := io.ReadAll(slow)
	check(t, err)
	_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	if store.DigestOf([]byte(body)) != layer.Digest {
		t.Errorf("the slow one got %d bytes, not the blob", len(body))
	}
	if u.ranges.Load() == 0 {
		t.Error("nobody was left behind: the test has lost its point")
	}
}

// A fetch goes on when the one who began it leaves, and ends with the last.
func TestFlightOutlivesItsFirstAsker(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	u := newCountedUpstream(t, f)
	h, base := leaning(t, f.lean(), u, Config{})
	url := base + "/v2/kolla/a/blobs/" + string(layer.Digest)
	first, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(first, http.MethodGet, url, nil)
	check(t, err)
	var gone sync.WaitGroup
	gone.Go(func() {
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	})
	eventually(t, "the first has asked", func() bool { return h.flights.askers() == 1 })
	second := make(chan answer, 1)
	go func() { second <- get(t, url) }()
	eventually(t, "the second has asked", func() bool { return h.flights.askers() == 2 })
	leave()
	gone.Wait()
	eventually(t, "the first has left", func() bool { return h.flights.askers() == 1 })
	close(u.gate)
	if a := <-second; a.err != nil || store.DigestOf(a.body) != layer.Digest {
		t.Errorf("got %d bytes, %v", len(a.body), a.err)
	}
	if n := u.gets.Load(); n != 1 {
		t.Errorf("the upstream was asked %d times", n)
	}
	eventually(t, "nobody is left", func() bool { return h.flights.askers() == 0 })
}

// FAULTS 74: when the upstream is down each of many askers is told, by name, and
// what to do.
func TestFault74EachAskerIsTold(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	st := f.lean()
	check(t, WriteUpstream(st.Dir(), Upstream{URL: "http://127.0.0.1:1"}))
	base := start(t, st)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			a := get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest))
			a.wantStatus(t, http.StatusBadGateway, "UNAVAILABLE")
			for _, word := range []string{"127.0.0.1:1", "refused", "run distribute again"} {
				if !strings.Contains(string(a.body), word) {
					t.Errorf("%q is not in %s", word, a.body)
				}
			}
		})
	}
	all.Wait()
}

// Beyond so many fetches at once none is shared, and all are answered.
func TestFlightsAreBounded(t *testing.T) {
	f := newFixture(t)
	const more = 5
	var layers []store.Blob
	for i := range maxFlights + more {
		layers = append(layers, f.big("kolla/a", fmt.Sprint(i), 1000))
	}
	u := newCountedUpstream(t, f)
	h, base := leaning(t, f.lean(), u, Config{})
	var all sync.WaitGroup
	for _, b := range layers {
		all.Go(func() {
			if a := get(t, base+"/v2/kolla/a/blobs/"+string(b.Digest)); store.DigestOf(a.body) != b.Digest {
				t.Errorf("got %d bytes, %v", len(a.body), a.err)
			}
		})
	}
	eventually(t, "all fetch", func() bool { return int(u.gets.Load()) == len(layers) })
	if n := h.flights.askers(); n != maxFlights {
		t.Errorf("%d share a fetch, want %d", n, maxFlights)
	}
	close(u.gate)
	all.Wait()
}

// What came from upstream is in the store afterwards, proven, for all further
// askers; and the next check reads nothing of it.
func TestFillKeepsWhatCame(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 2*flightWindow+5)
	u := newCountedUpstream(t, f)
	close(u.gate)
	st := f.lean()
	h, base := leaning(t, st, u, Config{Fill: true})
	url := base + "/v2/kolla/a/blobs/" + string(layer.Digest)
	get(t, url).wantHeader(t, headerSource, SourceUpstream)
	get(t, base+"/v2/kolla/a/manifests/1").wantHeader(t, headerSource, SourceUpstream)
	manifest := f.images[0].Manifest
	eventually(t, "both are kept", func() bool {
		_, err := st.Stat(layer.Digest)
		_, merr := st.Stat(manifest)
		return errors.Join(err, merr) == nil
	})
	a := get(t, url)
	a.wantHeader(t, headerSource, SourceStore)
	if store.DigestOf(a.body) != layer.Digest {
		t.Error("the store has something else")
	}
	if n := u.gets.Load(); n != 1 {
		t.Errorf("the upstream was asked %d times", n)
	}
	h.flights.stop()
	check(t, st.Close())
	w, err := store.Create(store.Config{Dir: st.Dir()})
	check(t, err)
	defer w.Close()
	if c, err := w.CheckBlobs(t.Context(), []store.Blob{layer}, 1, nil); err != nil || c.Hashed != 0 || len(c.Bad) > 0 {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := w.GC(1); err != nil { // nobody holds the store open
		t.Error(err)
	}
	if _, mode, err := w.Current(); err != nil || mode != store.ModeLean {
		t.Errorf("mode %v, %v: filling changes what is there and nothing else", mode, err)
	}
}

// A client that hangs up does not keep the rest from being kept.
func TestFillOutlivesTheAsker(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 3*flightWindow)
	u := newCountedUpstream(t, f)
	st := f.lean()
	h, base := leaning(t, st, u, Config{Fill: true})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/kolla/a/blobs/"+string(layer.Digest), nil)
	check(t, err)
	var gone sync.WaitGroup
	gone.Go(func() { _, _ = http.DefaultClient.Do(req) })
	eventually(t, "it is asked for, and to be kept", func() bool { return h.flights.askers() == 2 })
	leave()
	gone.Wait()
	eventually(t, "the client has left", func() bool { return h.flights.askers() == 1 })
	close(u.gate)
	eventually(t, "it is kept", func() bool { _, err := st.Stat(layer.Digest); return err == nil })
}

// Lies are not kept, and a store that cannot be written to is an error at the
// start, not later.
func TestFillRefusesLiesAndReadOnlyStores(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	st := f.lean()
	wrong := make([]byte, layer.Size)
	check(t, WriteUpstream(st.Dir(), Upstream{URL: startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(wrong)
	}))}))
	h := newHandler(Config{Store: st, Fill: true})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/", nil))
	a := get(t, startHandler(t, h)+"/v2/kolla/a/blobs/"+string(layer.Digest))
	if a.err == nil {
		t.Error("a lie was delivered")
	}
	h.flights.stop()
	if _, err := st.Stat(layer.Digest); !isNotExist(err) {
		t.Errorf("got %v, want no such blob", err)
	}
	err := Serve(t.Context(), ServeConfig{Store: "/proc/self/no-store", Listen: []string{"127.0.0.1:0"}, Fill: true,
		Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "filling the store /proc/self/no-store") {
		t.Errorf("got %v", err)
	}
}
