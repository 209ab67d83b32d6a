package registry

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const testIdentity = "test-identity"

// A fixture is a list of images and the bytes of all that they need; stores are
// made from it.
type fixture struct {
	t       *testing.T
	images  []store.Image
	content map[store.Digest][]byte
}

func newFixture(t *testing.T) *fixture {
	return &fixture{t: t, content: make(map[store.Digest][]byte)}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put adds raw as a blob.
func (f *fixture) put(raw []byte) store.Blob {
	d := store.DigestOf(raw)
	f.content[d] = raw
	return store.Blob{Digest: d, Size: int64(len(raw))}
}

// name gives a manifest a name.
func (f *fixture) name(repo, tag string, d store.Digest) {
	f.images = append(f.images, store.Image{Repository: repo, Tag: tag, Manifest: d})
}

// random adds an image with random layers of so many bytes.
func (f *fixture) random(repo, tag string, layerSize int64, layers int) v1.Image {
	f.t.Helper()
	img, err := random.Image(layerSize, int64(layers))
	check(f.t, err)
	f.name(repo, tag, f.add(img))
	return img
}

// add adds what img is made of and returns its manifest's digest.
func (f *fixture) add(img v1.Image) store.Digest {
	f.t.Helper()
	raw, err := img.RawManifest()
	check(f.t, err)
	config, err := img.RawConfigFile()
	check(f.t, err)
	f.put(config)
	layers, err := img.Layers()
	check(f.t, err)
	for _, l := range layers {
		r, err := l.Compressed()
		check(f.t, err)
		body, err := io.ReadAll(r)
		check(f.t, err)
		f.put(body)
	}
	return f.put(raw).Digest
}

// big adds an image with one layer of exactly size bytes.
func (f *fixture) big(repo, tag string, size int) store.Blob {
	f.t.Helper()
	body := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(len(f.content))})
	rng.Read(body)
	layer := f.put(body)
	config := f.put([]byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	f.name(repo, tag, f.manifest(store.MediaTypeDockerManifest, config, nil, layer))
	return layer
}

// manifest adds a manifest of that type, with further fields.
func (f *fixture) manifest(mediaType string, config store.Blob, more map[string]any, layers ...store.Blob) store.Digest {
	f.t.Helper()
	descriptor := func(mt string, b store.Blob) map[string]any {
		return map[string]any{"mediaType": mt, "digest": b.Digest, "size": b.Size}
	}
	var list []any
	for _, l := range layers {
		list = append(list, descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", l))
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": mediaType,
		"config": descriptor("application/vnd.docker.container.image.v1+json", config), "layers": list}
	for k, v := range more {
		m[k] = v
	}
	raw, err := json.Marshal(m)
	check(f.t, err)
	return f.put(raw).Digest
}

func (f *fixture) set() *store.Set {
	f.t.Helper()
	var blobs []store.Blob
	for d, raw := range f.content {
		blobs = append(blobs, store.Blob{Digest: d, Size: int64(len(raw))})
	}
	set, err := store.NewSet(f.images, blobs, []string{"amd64"}, store.Release{Tag: "6.0.0"}, time.Unix(1_700_000_000, 0))
	check(f.t, err)
	return set
}

// whole makes a store that has all and serves it.
func (f *fixture) whole() *store.Store { return f.storeIn(f.t.TempDir(), true) }

// lean makes a store that has only the set's list and these blobs.
func (f *fixture) lean(have ...store.Digest) *store.Store {
	return f.storeIn(f.t.TempDir(), false, have...)
}

func (f *fixture) storeIn(dir string, whole bool, have ...store.Digest) *store.Store {
	f.t.Helper()
	st, err := store.Create(store.Config{Dir: dir})
	check(f.t, err)
	f.t.Cleanup(func() { st.Close() })
	if whole {
		for d := range f.content {
			have = append(have, d)
		}
	}
	for _, d := range have {
		writeBlob(f.t, st, f.content[d])
	}
	set := f.set()
	check(f.t, st.PutSet(set))
	if whole {
		check(f.t, st.Activate(set.ID))
	} else {
		check(f.t, st.Lean(set.ID))
	}
	return st
}

func writeBlob(t *testing.T, st *store.Store, raw []byte) {
	t.Helper()
	w, err := st.NewBlob(store.Blob{Digest: store.DigestOf(raw), Size: int64(len(raw))})
	check(t, err)
	_, err = w.Write(raw)
	check(t, err)
	check(t, w.Commit())
}

// blobFile returns where the store keeps d, for tests that damage it.
func blobFile(st *store.Store, d store.Digest) string {
	return filepath.Join(st.Dir(), "docker/registry/v2/blobs/sha256", d.Hex()[:2], d.Hex(), "data")
}

// damage flips a bit of d in the store.
func damage(t *testing.T, st *store.Store, d store.Digest) {
	t.Helper()
	raw, err := os.ReadFile(blobFile(st, d))
	check(t, err)
	raw[len(raw)/2] ^= 1
	check(t, os.Remove(blobFile(st, d)))
	check(t, os.WriteFile(blobFile(st, d), raw, 0o644))
}

// start serves st under testIdentity and returns its base URL.
func start(t *testing.T, st *store.Store) string {
	t.Helper()
	return startHandler(t, New(Config{Store: st, Identity: testIdentity}))
}

func startHandler(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// leanOn serves st, which leans on the registry at upstream.
func leanOn(t *testing.T, st *store.Store, upstream string) string {
	t.Helper()
	check(t, WriteUpstream(st.Dir(), Upstream{URL: upstream}))
	return start(t, st)
}

// An answer is a response, read whole.
type answer struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

// request asks with headers given as pairs.
func request(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	check(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, body, err}
}

func get(t *testing.T, url string, headers ...string) answer {
	t.Helper()
	return request(t, http.MethodGet, url, headers...)
}

// wantStatus checks the status and, of an error, the specification's form.
func (a answer) wantStatus(t *testing.T, status int, code string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: got status %d (%.200q), want %d", a.Request.Method, a.Request.URL, a.StatusCode, a.body, status)
	}
	if code == "" || a.Request.Method == http.MethodHead {
		return
	}
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(a.body, &e); err != nil || len(e.Errors) != 1 || e.Errors[0].Code != code {
		t.Errorf("%s: got error %s, want code %s", a.Request.URL, a.body, code)
	}
}

func (a answer) wantHeader(t *testing.T, name, want string) {
	t.Helper()
	if got := a.Header.Get(name); got != want {
		t.Errorf("%s %s: got %s %q, want %q", a.Request.Method, a.Request.URL, name, got, want)
	}
}
