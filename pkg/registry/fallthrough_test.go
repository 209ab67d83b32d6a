package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// A lean registry resolves tags from the set's list and fetches what it lacks.
func TestR9LeanResolvesTagsFromTheSetsList(t *testing.T) {
	old := newFixture(t)
	old.big("kolla/a", "6.0.0", 500)
	st := old.whole() // run one: everything is here
	f := newFixture(t)
	f.big("kolla/a", "6.0.0", 501) // run two: same tag, other layer
	set := f.set()
	check(t, st.PutSet(set))
	check(t, st.Lean(set.ID))
	base := leanOn(t, st, start(t, f.whole()))
	a := get(t, base+"/v2/kolla/a/manifests/6.0.0")
	a.wantStatus(t, 200, "")
	a.wantHeader(t, headerDigest, string(f.images[0].Manifest))
	a.wantHeader(t, headerSource, SourceUpstream)
	if store.DigestOf(a.body) != f.images[0].Manifest {
		t.Error("the body is not the manifest")
	}
	// The old set's blobs are still there (R16).
	get(t, base+"/v2/kolla/a/manifests/"+string(old.images[0].Manifest)).wantStatus(t, 200, "")
}

// A tag that the current set does not have comes from the store's own links.
func TestR16OlderTagsStayPullable(t *testing.T) {
	old := newFixture(t)
	old.big("kolla/a", "5.0.0", 500)
	st := old.whole()
	f := newFixture(t)
	f.big("kolla/a", "6.0.0", 501)
	f.storeIn(st.Dir(), true)
	base := start(t, st)
	get(t, base+"/v2/kolla/a/manifests/5.0.0").wantStatus(t, 200, "")
	get(t, base+"/v2/kolla/a/manifests/6.0.0").wantStatus(t, 200, "")
	if a := get(t, base+"/v2/kolla/a/tags/list"); !strings.Contains(string(a.body), `["5.0.0","6.0.0"]`) {
		t.Errorf("got %s", a.body)
	}
}

// Nothing but the set's digests in the set's repositories goes upstream, and
// nothing at all that another registry of ours passes on.
func TestR10OnlyTheSetsDigestsGoUpstream(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 500)
	other := newFixture(t)
	stray := other.big("kolla/other", "1", 600)
	var asked atomic.Int32
	central := start(t, f.whole())
	upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, central+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	base := leanOn(t, f.lean(), upstream)
	for _, path := range []string{
		"kolla/a/blobs/" + string(stray.Digest), "kolla/other/blobs/" + string(layer.Digest), "kolla/a/blobs/" + unknownDigest,
		"kolla/a/manifests/latest", "kolla/other/manifests/1", "kolla/a/manifests/" + string(other.images[0].Manifest), "kolla/other/tags/list",
	} {
		get(t, base+"/v2/"+path).wantStatus(t, 404, "")
	}
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest), headerHop, "1").wantStatus(t, 404, "BLOB_UNKNOWN")
	if n := asked.Load(); n != 0 {
		t.Errorf("upstream was asked %d times, want 0", n)
	}
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")
	if n := asked.Load(); n != 1 {
		t.Errorf("upstream was asked %d times, want 1", n)
	}
}

// Only the set's repositories go upstream: a link that an older set left in
// another one does not make a digest of the set theirs.
func TestR10OnlyTheSetsRepositoriesGoUpstream(t *testing.T) {
	old := newFixture(t)
	layer := old.big("kolla/old", "1", 500)
	st := old.whole()
	f := newFixture(t)
	f.big("kolla/new", "1", 500)
	f.put(old.content[layer.Digest])
	set := f.set()
	check(t, st.PutSet(set))
	check(t, st.Lean(set.ID))
	gives := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(f.content[layer.Digest]) }))
	base := leanOn(t, st, gives)
	get(t, base+"/v2/kolla/old/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")
	check(t, os.Remove(blobFile(st, layer.Digest)))
	get(t, base+"/v2/kolla/old/blobs/"+string(layer.Digest)).wantStatus(t, 404, "BLOB_UNKNOWN")
	get(t, base+"/v2/kolla/new/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")
}

// A body that is cut is cut by the handler, whatever serves it: HTTP/2 knows no
// connection that ends early.
func TestR10CutBodyAbortsTheHandler(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 200_000)
	upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(f.content[layer.Digest][:100_000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	st := f.lean()
	check(t, WriteUpstream(st.Dir(), Upstream{URL: upstream}))
	defer func() {
		if got, _ := recover().(error); !errors.Is(got, http.ErrAbortHandler) {
			t.Errorf("got panic %v, want http.ErrAbortHandler", got)
		}
	}()
	New(Config{Store: st}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/kolla/a/blobs/"+string(layer.Digest), nil))
}

// Nothing that came from upstream is kept: the store belongs to others.
func TestR10NothingIsStored(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	st := f.lean()
	base := leanOn(t, st, start(t, f.whole()))
	for range 2 {
		a := get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest))
		a.wantStatus(t, 200, "")
		a.wantHeader(t, headerSource, SourceUpstream)
		a.wantHeader(t, headerDigest, string(layer.Digest))
		a.wantHeader(t, "Content-Length", "100000")
		if a.err != nil || store.DigestOf(a.body) != layer.Digest {
			t.Errorf("got %d bytes, %v", len(a.body), a.err)
		}
	}
	if _, err := st.Stat(layer.Digest); !isNotExist(err) {
		t.Errorf("got %v, want no such blob", err)
	}
}

// A blob that is there but has the wrong size, or a manifest that rotted, counts
// as missing and is fetched.
func TestFault24DamagedContentIsFetched(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	manifest := f.images[0].Manifest
	st := f.whole()
	damage(t, st, manifest)
	check(t, os.Truncate(blobFile(st, layer.Digest), 50))
	base := start(t, st)
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 404, "MANIFEST_UNKNOWN")
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 404, "BLOB_UNKNOWN")
	check(t, WriteUpstream(st.Dir(), Upstream{URL: start(t, newCopy(f).whole())}))
	for _, path := range []string{"manifests/1", "blobs/" + string(layer.Digest)} {
		a := get(t, base+"/v2/kolla/a/"+path)
		a.wantStatus(t, 200, "")
		a.wantHeader(t, headerSource, SourceUpstream)
	}
}

func newCopy(f *fixture) *fixture {
	return &fixture{t: f.t, images: f.images, content: f.content}
}

// HEAD promises what GET can keep, and no more.
func TestHeadAsksUpstream(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	central := f.whole()
	base := leanOn(t, f.lean(), start(t, central))
	a := request(t, "HEAD", base+"/v2/kolla/a/blobs/"+string(layer.Digest))
	a.wantStatus(t, 200, "")
	a.wantHeader(t, "Content-Length", "1000")
	a.wantHeader(t, headerSource, SourceUpstream)
	request(t, "HEAD", base+"/v2/kolla/a/manifests/1").wantStatus(t, 200, "")
	check(t, os.Remove(blobFile(central, layer.Digest)))
	check(t, os.Remove(blobFile(central, f.images[0].Manifest)))
	request(t, "HEAD", base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 404, "")
	request(t, "HEAD", base+"/v2/kolla/a/manifests/1").wantStatus(t, 404, "")
}

// Range on a blob that is only upstream is ignored, as RFC 9110 allows.
func TestRangeOfMissingBlobIsWhole(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	base := leanOn(t, f.lean(), start(t, f.whole()))
	a := get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest), "Range", "bytes=10-20")
	a.wantStatus(t, 200, "")
	if len(a.body) != 1000 {
		t.Errorf("got %d bytes, want 1000", len(a.body))
	}
}

// The upstream's fault is named, and not remembered.
func TestFault74UpstreamDownIsNamedAndNotCached(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	address := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port.Free(t)).String()
	st := f.lean()
	base := leanOn(t, st, "http://"+address)
	for _, path := range []string{"manifests/1", "blobs/" + string(layer.Digest)} {
		a := get(t, base+"/v2/kolla/a/"+path)
		a.wantStatus(t, 502, "UNAVAILABLE")
		if !strings.Contains(string(a.body), address) {
			t.Errorf("got %s, want upstream's address in it", a.body)
		}
		request(t, "HEAD", base+"/v2/kolla/a/"+path).wantStatus(t, 502, "")
	}
	check(t, WriteUpstream(st.Dir(), Upstream{URL: start(t, f.whole())}))
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 200, "")
	check(t, WriteUpstream(st.Dir(), Upstream{}))
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 404, "MANIFEST_UNKNOWN")
	check(t, os.WriteFile(UpstreamPath(st.Dir()), []byte("{"), 0o600))
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 502, "UNAVAILABLE")
}

// R6: a proxy in the environment changes nothing.
func TestR6ProxyVariablesAreIgnored(t *testing.T) {
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	transport, err := newTransport(nil, timing{})
	check(t, err)
	if transport.Proxy != nil { // loopback is exempt from proxies anyway: see there
		t.Error("the transport asks for a proxy")
	}
	f := newFixture(t)
	f.big("kolla/a", "1", 1000)
	base := leanOn(t, f.lean(), start(t, f.whole()))
	c, err := NewClient(ClientConfig{})
	check(t, err)
	defer c.Close()
	check(t, c.VerifyThrough(t.Context(), base, f.set(), testIdentity))
}

// A lying upstream: whatever it does, the client never gets a whole body that is
// not the blob, and sees an error.
func TestR10LyingUpstream(t *testing.T) {
	f := newFixture(t)
	const size = 200_000
	layer := f.big("kolla/a", "1", size)
	small := f.big("kolla/b", "1", 300)
	right := f.content[layer.Digest]
	wrong := bytes.Clone(right)
	wrong[size-1] ^= 1
	early := bytes.Clone(right)
	early[0] ^= 1
	send := func(body []byte, length int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if length >= 0 {
				w.Header().Set("Content-Length", strconv.Itoa(length))
			}
			w.(http.Flusher).Flush()
			w.Write(body)
		}
	}
	hang := func(w http.ResponseWriter) {
		w.Write(right[:100_000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	other := func(w http.ResponseWriter) { w.Header().Set(headerDigest, unknownDigest); w.Write(right) }
	moved := func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	for name, tt := range map[string]struct {
		lie   func(http.ResponseWriter)
		blob  store.Blob
		early bool // before a byte is out: then a proper answer
	}{
		"last byte wrong":       {send(wrong, size), layer, false},
		"first byte wrong":      {send(early, size), layer, false},
		"no length, wrong":      {send(wrong, -1), layer, false},
		"short, says so":        {send(right[:1000], 1000), layer, true},
		"short, does not":       {send(right[:size-1], -1), layer, false},
		"long, says so":         {send(append(bytes.Clone(right), 1), size+1), layer, true},
		"long, does not":        {send(append(bytes.Clone(right), 1), -1), layer, false},
		"hangs up":              {hang, layer, false},
		"another digest":        {other, layer, true},
		"204":                   {moved, layer, true},
		"small, wrong":          {send(right[:300], 300), small, true},
		"small, nothing at all": {send(nil, -1), small, true},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.lie(w) }))
			repo := "kolla/a"
			if tt.blob == small {
				repo = "kolla/b"
			}
			a := get(t, leanOn(t, f.lean(), upstream)+"/v2/"+repo+"/blobs/"+string(tt.blob.Digest))
			if tt.early {
				a.wantStatus(t, 502, "UNAVAILABLE")
				return
			}
			if a.err == nil || int64(len(a.body)) > tt.blob.Size-withheld {
				t.Errorf("got %d bytes, error %v; want an error, the last %d withheld", len(a.body), a.err, withheld)
			}
		})
	}
}

// A manifest that upstream changed is not passed on at all.
func TestR10LyingUpstreamManifest(t *testing.T) {
	f := newFixture(t)
	f.big("kolla/a", "1", 1000)
	raw := bytes.Clone(f.content[f.images[0].Manifest])
	raw[len(raw)-2] ^= 1
	upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(raw) }))
	get(t, leanOn(t, f.lean(), upstream)+"/v2/kolla/a/manifests/1").wantStatus(t, 502, "UNAVAILABLE")
}

// An upstream that stands still is given up, and its client is told.
func TestR10SlowUpstream(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 200_000)
	release := make(chan struct{})
	server := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(f.content[layer.Digest][:100_000])
		w.(http.Flusher).Flush()
		<-release
	}))
	defer close(release)
	c, err := newUpstreamClient(Upstream{URL: server}, timing{stall: 20 * time.Millisecond})
	check(t, err)
	body, err := c.open(t.Context(), "kolla/a", "blobs", layer)
	check(t, err)
	defer body.Close()
	if err := relay(io.Discard, body, layer); !errors.Is(err, errStalled) {
		t.Errorf("got %v, want errStalled", err)
	}
	mute := startHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	c, err = newUpstreamClient(Upstream{URL: mute}, timing{answer: 20 * time.Millisecond})
	check(t, err)
	if _, err := c.open(t.Context(), "kolla/a", "blobs", layer); err == nil {
		t.Error("a mute upstream was waited for")
	}
}

// Two registries that name each other do not ask in circles.
func TestUpstreamLoopEnds(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	st := f.lean()
	base := start(t, st)
	check(t, WriteUpstream(st.Dir(), Upstream{URL: base}))
	get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 404, "BLOB_UNKNOWN")
}

// A registry whose upstream.json names itself: the pulls that hold every place
// wait for hops, which must not wait for a place.
func TestUpstreamLoopEndsWhenAllPlacesAreTaken(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	absent := f.images[0].Manifest
	f.big("kolla/a", "2", 500)
	rotten := f.images[1].Manifest
	st := f.lean(rotten)
	damage(t, st, rotten)
	h := newHandler(Config{Store: st})
	h.pulls = make(chan struct{}, 1)
	base := startHandler(t, h)
	check(t, WriteUpstream(st.Dir(), Upstream{URL: base}))
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for _, path := range []string{"blobs/" + string(layer.Digest), "manifests/" + string(absent), "manifests/" + string(rotten)} {
		resp, err := client.Get(base + "/v2/kolla/a/" + path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got status %d, want 404", path, resp.StatusCode)
		}
	}
}
