package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

func newTestClient(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient(ClientConfig{Stall: time.Second})
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

// threeImages is a set with a small, a middle and a large image.
func threeImages(t *testing.T) (f *fixture, layers []store.Blob) {
	f = newFixture(t)
	for _, x := range []struct {
		name string
		size int
	}{{"kolla/large", 300_000}, {"kolla/small", 3_000}, {"kolla/middle", 30_000}} {
		layers = append(layers, f.big(x.name, "1", x.size))
	}
	return f, layers
}

func TestPing(t *testing.T) {
	c := newTestClient(t)
	if id, err := c.Ping(t.Context(), start(t, newFixture(t).whole())); err != nil || id != testIdentity {
		t.Errorf("got %q, %v", id, err)
	}
	stranger := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }))
	if _, err := c.Ping(t.Context(), stranger); !errors.Is(err, ErrNotOurs) {
		t.Errorf("got %v, want ErrNotOurs", err)
	}
}

func TestR7VerifyLocal(t *testing.T) {
	f, _ := threeImages(t)
	check(t, newTestClient(t).VerifyLocal(t.Context(), start(t, f.whole()), f.set(), testIdentity))
}

// An index may lack images for architectures that the set has none for, and no
// others: what import and Activate take.
func TestR7VerifyLocalIndex(t *testing.T) {
	const amd, arm = `"platform":{"os":"linux","architecture":"amd64"}`, `"platform":{"os":"linux","architecture":"arm64"}`
	entry := func(d store.Digest, platform string) string {
		return `{"mediaType":"` + store.MediaTypeDockerManifest + `","digest":"` + string(d) + `","size":1,` + platform + `}`
	}
	for name, tt := range map[string]struct {
		absent string // platform of the one that is not in the set
		whole  bool   // whether there is another one, which is
		ok     bool
	}{
		"another architecture": {arm, true, true},
		"this architecture":    {amd, true, false},
		"no platform":          {`"platform":null`, true, false},
		"nothing there":        {arm, false, false},
	} {
		f, _ := threeImages(t)
		list := entry(unknownDigest, tt.absent)
		if tt.whole {
			list += "," + entry(f.images[0].Manifest, amd)
		}
		f.name("kolla/multi", "1", f.put([]byte(`{"schemaVersion":2,"mediaType":"`+mediaTypeIndex+`","manifests":[`+list+`]}`)).Digest)
		st := openSet(t, f)
		err := newTestClient(t).VerifyLocal(t.Context(), start(t, st), f.set(), testIdentity)
		activated := st.Activate(f.set().ID)
		if tt.ok {
			check(t, err)
			check(t, activated)
			check(t, newTestClient(t).VerifyThrough(t.Context(), start(t, st), f.set(), testIdentity))
			continue
		}
		wantBad(t, err, "kolla/multi:1", "", errNotInSet)
		if !errors.Is(activated, store.ErrSet) {
			t.Errorf("%s: activated: %v", name, activated)
		}
	}
}

// Of what is proven no byte is read again, but that it is served from the store,
// in its size, is asked all the same.
func TestR7VerifyServedReadsOnlyWhatIsNotProven(t *testing.T) {
	f, layers := threeImages(t)
	st := f.whole()
	var read atomic.Int64
	h := New(Config{Store: st, Identity: testIdentity})
	base := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			read.Add(1)
		}
		h.ServeHTTP(w, r)
	}))
	all := func(store.Digest) bool { return true }
	check(t, newTestClient(t).VerifyServed(t.Context(), base, f.set(), testIdentity, all))
	if n := read.Load(); n != 0 {
		t.Errorf("%d blobs were read", n)
	}
	butOne := func(d store.Digest) bool { return d != layers[0].Digest }
	check(t, newTestClient(t).VerifyServed(t.Context(), base, f.set(), testIdentity, butOne))
	if n := read.Load(); n != 1 {
		t.Errorf("%d blobs were read, want the one that is not proven", n)
	}
	check(t, os.Truncate(blobFile(st, layers[1].Digest), 1))
	check(t, os.Remove(blobFile(st, layers[2].Digest)))
	err := newTestClient(t).VerifyServed(t.Context(), base, f.set(), testIdentity, all)
	wantBad(t, err, "kolla/small:1", layers[1].Digest, nil)
	wantBad(t, err, "kolla/middle:1", layers[2].Digest, nil)
}

// A registry that promises another size than the set's does not serve the blob.
func TestR7VerifyServedComparesSizes(t *testing.T) {
	f, layers := threeImages(t)
	h := New(Config{Store: f.whole(), Identity: testIdentity})
	base := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, string(layers[0].Digest)) {
			w.Header().Set(headerIdentity, testIdentity)
			w.Header().Set(headerSource, SourceStore)
			w.Header().Set("Content-Length", "17")
			return
		}
		h.ServeHTTP(w, r)
	}))
	err := newTestClient(t).VerifyServed(t.Context(), base, f.set(), testIdentity, func(store.Digest) bool { return true })
	wantBad(t, err, "kolla/large:1", layers[0].Digest, store.ErrSizeMismatch)
}

// Everything that is wrong is named, each with its image and blob (fault 69).
func TestFault69VerifyLocalNamesWhatIsWrong(t *testing.T) {
	f, layers := threeImages(t)
	st := f.whole()
	damage(t, st, layers[0].Digest)
	check(t, os.Remove(blobFile(st, layers[1].Digest)))
	check(t, os.Remove(blobFile(st, f.images[2].Manifest)))
	err := newTestClient(t).VerifyLocal(t.Context(), start(t, st), f.set(), testIdentity)
	wantBad(t, err, "kolla/large:1", layers[0].Digest, store.ErrDigestMismatch)
	wantBad(t, err, "kolla/small:1", layers[1].Digest, nil)
	wantBad(t, err, "kolla/middle:1", "", nil)
}

// wantBad looks for a BadImageError in what err joins.
func wantBad(t *testing.T, err error, name string, blob store.Digest, is error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v, want joined errors", err)
	}
	for _, e := range joined.Unwrap() {
		var bad *BadImageError
		if errors.As(e, &bad) && bad.Blob == blob && strings.HasPrefix(bad.Error(), name) && (is == nil || errors.Is(e, is)) {
			return
		}
	}
	t.Errorf("got %v, want %s %s %v in it", err, name, blob, is)
}

// A tag that the store resolves to another manifest than the set's is found.
func TestFault69TagPointsElsewhere(t *testing.T) {
	old := newFixture(t)
	old.big("kolla/a", "1", 500)
	f := newFixture(t)
	f.big("kolla/a", "1", 600)
	err := newTestClient(t).VerifyLocal(t.Context(), start(t, old.whole()), f.set(), testIdentity)
	wantBad(t, err, "kolla/a:1", "", store.ErrDigestMismatch)
}

// A foreign layer is not part of a set; anything else that an image needs is. The
// list of what is wrong has an end.
func TestVerifyLocalForeignLayersAndBounds(t *testing.T) {
	f := newFixture(t)
	config := f.put([]byte("{}"))
	layer := func(mediaType string) map[string]any {
		return map[string]any{"layers": []any{map[string]any{"mediaType": mediaType, "digest": unknownDigest, "size": 1,
			"urls": []string{"https://example.com/layer"}}}}
	}
	f.name("kolla/foreign", "1", f.manifest(store.MediaTypeDockerManifest, config,
		layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")))
	base := start(t, openSet(t, f))
	check(t, newTestClient(t).VerifyLocal(t.Context(), base, f.set(), testIdentity))

	broken := f.manifest(store.MediaTypeDockerManifest, config, layer("application/vnd.docker.image.rootfs.diff.tar.gzip"))
	for i := range maxFaults + 3 {
		f.name("kolla/broken", fmt.Sprint(i), broken)
	}
	base = start(t, openSet(t, f))
	err := newTestClient(t).VerifyLocal(t.Context(), base, f.set(), testIdentity)
	wantBad(t, err, "kolla/broken:1", "", errNotInSet)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxFaults+1 || lines[maxFaults] != "and 3 more" {
		t.Errorf("got %d lines, want %d and how many more", len(lines), maxFaults)
	}
}

// openSet makes a store that has all of f, whole or not.
func openSet(t *testing.T, f *fixture) *store.Store {
	t.Helper()
	st := f.lean()
	for _, raw := range f.content {
		writeBlob(t, st, raw)
	}
	return st
}

// What comes through upstream is right but not local.
func TestR7VerifyLocalRefusesUpstream(t *testing.T) {
	f, layers := threeImages(t)
	st := f.whole()
	check(t, os.Remove(blobFile(st, layers[0].Digest)))
	check(t, os.Remove(blobFile(st, f.images[1].Manifest)))
	base := leanOn(t, st, start(t, newCopy(f).whole()))
	err := newTestClient(t).VerifyLocal(t.Context(), base, f.set(), testIdentity)
	wantBad(t, err, "kolla/large:1", layers[0].Digest, ErrWrongSource)
	wantBad(t, err, "kolla/small:1", "", ErrWrongSource)
}

// A stranger on the port, even one that serves all the right bytes, is not ours;
// also one that takes over in the middle (R7, R8).
func TestR8StrangerIsNotOurs(t *testing.T) {
	f, _ := threeImages(t)
	h := New(Config{Store: f.whole(), Identity: testIdentity})
	unnamed := func(from int) http.Handler {
		n := 0
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n++; n <= from {
				h.ServeHTTP(w, r)
				return
			}
			New(Config{Store: f.whole(), Identity: "another"}).ServeHTTP(w, r)
		})
	}
	c, err := NewClient(ClientConfig{Workers: 1})
	check(t, err)
	defer c.Close()
	for from := range 3 {
		base := startHandler(t, unnamed(from))
		if err := c.VerifyLocal(t.Context(), base, f.set(), testIdentity); !errors.Is(err, ErrNotOurs) {
			t.Errorf("local, from answer %d: got %v, want ErrNotOurs", from, err)
		}
		base = startHandler(t, unnamed(from))
		if err := c.VerifyThrough(t.Context(), base, f.set(), testIdentity); !errors.Is(err, ErrNotOurs) {
			t.Errorf("through, from answer %d: got %v, want ErrNotOurs", from, err)
		}
	}
	empty := newFixture(t).set()
	base := startHandler(t, unnamed(0))
	for _, err := range []error{c.VerifyLocal(t.Context(), base, empty, testIdentity), c.VerifyThrough(t.Context(), base, empty, testIdentity)} {
		if !errors.Is(err, ErrNotOurs) {
			t.Errorf("empty set: got %v, want ErrNotOurs", err)
		}
	}
	redirect := startHandler(t, http.RedirectHandler(start(t, f.whole())+"/v2/", http.StatusFound))
	if err := c.VerifyLocal(t.Context(), redirect, f.set(), testIdentity); !errors.Is(err, ErrNotOurs) {
		t.Errorf("redirect: got %v, want ErrNotOurs", err)
	}
}

// Fault 72: it starts but answers 500, or dies.
func TestFault72BrokenRegistry(t *testing.T) {
	f, _ := threeImages(t)
	broken := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(headerIdentity, testIdentity)
		w.WriteHeader(500)
	}))
	c := newTestClient(t)
	var status *StatusError
	if err := c.VerifyLocal(t.Context(), broken, f.set(), testIdentity); !errors.As(err, &status) || status.Status != 500 {
		t.Errorf("got %v, want status 500", err)
	}
	nobody := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port.Free(t))
	if err := c.VerifyLocal(t.Context(), "http://"+nobody.String(), f.set(), testIdentity); err == nil {
		t.Error("nobody listens, and all is well")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.VerifyLocal(ctx, start(t, f.whole()), f.set(), testIdentity); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// A central host has delivered an image through the central registry: one that
// needs it, the smallest of them, whole.
func TestR7VerifyThroughDeliversWhatTheStoreLacks(t *testing.T) {
	f, layers := threeImages(t)
	st := f.whole()
	for _, l := range []store.Blob{layers[0], layers[2]} { // large and middle
		check(t, os.Remove(blobFile(st, l.Digest)))
	}
	var got []string
	central := New(Config{Store: newCopy(f).whole()})
	upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			got = append(got, r.URL.Path)
		}
		central.ServeHTTP(w, r)
	}))
	base := leanOn(t, st, upstream)
	check(t, newTestClient(t).VerifyThrough(t.Context(), base, f.set(), testIdentity))
	if want := "/v2/kolla/middle/blobs/" + string(layers[2].Digest); len(got) != 1 || got[0] != want {
		t.Errorf("upstream delivered %q, want %q", got, want)
	}
}

func TestR7VerifyThroughEmptyAndFullStore(t *testing.T) {
	f, _ := threeImages(t)
	c := newTestClient(t)
	check(t, c.VerifyThrough(t.Context(), leanOn(t, f.lean(), start(t, f.whole())), f.set(), testIdentity))
	check(t, c.VerifyThrough(t.Context(), start(t, f.whole()), f.set(), testIdentity))
}

func TestFault74VerifyThroughWithoutCentral(t *testing.T) {
	f, _ := threeImages(t)
	var bad *BadImageError
	if err := newTestClient(t).VerifyThrough(t.Context(), start(t, f.lean()), f.set(), testIdentity); !errors.As(err, &bad) {
		t.Errorf("got %v, want a BadImageError", err)
	}
}

func TestR4Reach(t *testing.T) {
	f, _ := threeImages(t)
	up := Upstream{URL: start(t, f.whole())}
	check(t, Reach(t.Context(), up, f.images[0]))
	check(t, newTestClient(t).Reach(t.Context(), up))
	other := store.Image{Repository: "kolla/no", Tag: "1", Manifest: unknownDigest}
	var bad *BadImageError
	if err := Reach(t.Context(), up, other); !errors.As(err, &bad) || bad.Image != other {
		t.Errorf("got %v, want a BadImageError", err)
	}
	if err := Reach(t.Context(), Upstream{URL: "http://10.0.0.1"}); !errors.Is(err, errUpstream) {
		t.Errorf("got %v, want the upstream refused", err)
	}
}
