package origin

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A served is a registry with images, and what a test does to its answers.
type served struct {
	*httptest.Server
	host string

	mu    sync.Mutex
	asked []string // GETs of blobs, by path
	spoil func(w http.ResponseWriter, req *http.Request, next http.Handler) bool
}

func serve(t testing.TB, tls bool) *served {
	t.Helper()
	s := &served{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/") {
			s.asked = append(s.asked, req.URL.Path)
		}
		spoil := s.spoil
		s.mu.Unlock()
		if spoil == nil || !spoil(w, req, inner) {
			inner.ServeHTTP(w, req)
		}
	})
	if tls {
		s.Server = httptest.NewUnstartedServer(h)
		s.Server.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
	} else {
		s.Server = httptest.NewServer(h)
	}
	t.Cleanup(s.Close)
	_, s.host, _ = strings.Cut(s.URL, "://")
	return s
}

func (s *served) push(t testing.TB, ref string, img v1.Image) store.Digest {
	t.Helper()
	r, err := name.ParseReference(s.host+"/"+ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, img, remote.WithTransport(s.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	return digestOf(t, img)
}

type digester interface{ Digest() (v1.Hash, error) }

func digestOf(t testing.TB, d digester) store.Digest {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return store.Digest(h.String())
}

func image(t testing.TB, seed int64) v1.Image {
	t.Helper()
	img, err := random.Image(2000+seed, 3)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: rootFS(t, img)})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func rootFS(t testing.TB, img v1.Image) v1.RootFS {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS
}

func (s *served) spoilWith(f func(w http.ResponseWriter, req *http.Request, next http.Handler) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil, s.asked = f, nil
}

func (s *served) blobs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Create(store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func importFrom(t testing.TB, st *store.Store, cfg Config, platforms ...store.Platform) (*store.Set, error) {
	t.Helper()
	return imageset.ImportAll(t.Context(), []imageset.Place{{Origins: Open(t.Context(), cfg)}}, st,
		imageset.ImportOptions{Images: cfg.Images, Platforms: platforms})
}

func names(set *store.Set) string {
	var out []string
	for _, i := range set.Images {
		out = append(out, i.Repository+":"+i.Tag)
	}
	return strings.Join(out, " ")
}

// All of a registry, a part of it by prefix, pattern or full name; a second import
// asks for no blob.
func TestRegistryImages(t *testing.T) {
	s := serve(t, false)
	base := image(t, 0)
	want := s.push(t, "kolla/nova-api:1", base)
	s.push(t, "kolla/nova-api:2", image(t, 2))
	s.push(t, "kolla/keystone:1", base)
	s.push(t, "other/tool:1", image(t, 3))
	s.push(t, "kolla/nova-api:sha256-"+strings.Repeat("a", 64)+".sig", image(t, 4))
	for _, c := range []struct {
		url    string
		images []string
		want   string
	}{
		{"", nil, "kolla/keystone:1 kolla/nova-api:1 kolla/nova-api:2 other/tool:1"},
		{"/kolla", nil, "kolla/keystone:1 kolla/nova-api:1 kolla/nova-api:2"},
		{"", []string{"nova-*"}, "kolla/nova-api:1 kolla/nova-api:2"},
		{"", []string{"kolla/keystone:1"}, "kolla/keystone:1"},
		{"/kolla", []string{"keystone:1", "nova-api:2"}, "kolla/keystone:1 kolla/nova-api:2"},
	} {
		var notes []string
		cfg := Config{URL: "registry://" + s.host + c.url, Images: c.images, Note: func(s string) { notes = append(notes, s) }}
		set, err := importFrom(t, newStore(t), cfg)
		if err != nil || names(set) != c.want {
			t.Errorf("%s %q: got %v, %v", c.url, c.images, set, err)
		}
		if c.images == nil && len(notes) != 1 {
			t.Errorf("%s: signatures are not named: %q", c.url, notes)
		}
	}
	st := newStore(t)
	s.spoilWith(nil)
	set, err := importFrom(t, st, Config{URL: "registry://" + s.host})
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := set.Lookup("kolla/nova-api", "1"); d != want {
		t.Errorf("digest %s, want %s", d, want)
	}
	if n := s.blobs(); n != len(set.Blobs)-3 {
		t.Errorf("%d blobs were asked for, want each once: %d", n, len(set.Blobs)-3)
	}
	s.spoilWith(nil)
	if again, err := importFrom(t, st, Config{URL: "registry://" + s.host}); err != nil || again.ID != set.ID || s.blobs() > 0 {
		t.Errorf("again: %d blobs, %v", s.blobs(), err)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
}

// Of a manifest list all platforms are taken, or one; the list stays as it is.
func TestRegistryPlatforms(t *testing.T) {
	s := serve(t, false)
	idx := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: image(t, 0), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: image(t, 1), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: image(t, 2), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}})
	ref, err := name.ParseReference(s.host+"/kolla/x:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, idx); err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: "registry://" + s.host}
	all, err := importFrom(t, newStore(t), cfg)
	if err != nil || len(all.Blobs) != 1+3*5 {
		t.Fatalf("all: %v, %v", all, err)
	}
	st := newStore(t)
	one, err := importFrom(t, st, cfg, store.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil || len(one.Blobs) != 1+5 || one.Images[0].Manifest != digestOf(t, idx) {
		t.Fatalf("one: %v, %v", one, err)
	}
	if err := st.Activate(one.ID); err != nil {
		t.Error(err)
	}
	if _, err := importFrom(t, newStore(t), cfg, store.Platform{OS: "linux", Architecture: "s390x"}); err == nil {
		t.Error("a platform that the image lacks: taken")
	}
}

// TestR5IndexHasAnImageForEach: of a mixed set only the images that lack an
// architecture are named, not the indexes that have all.
func TestR5IndexHasAnImageForEach(t *testing.T) {
	s := serve(t, false)
	of := func(i int64, arch string) v1.Image {
		img := image(t, i)
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		file.Architecture = arch
		img, err = mutate.ConfigFile(img, file)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	ref, err := name.ParseReference(s.host+"/kolla/x:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: of(0, "amd64")}, mutate.IndexAddendum{Add: of(1, "arm64")})); err != nil {
		t.Fatal(err)
	}
	s.push(t, "kolla/y:1", of(2, "amd64"))
	var notes []string
	_, err = imageset.ImportAll(t.Context(), []imageset.Place{{Origins: Open(t.Context(), Config{URL: "registry://" + s.host})}},
		newStore(t), imageset.ImportOptions{Note: func(n string) { notes = append(notes, n) }})
	want := []string{"1 of 2 images have nothing for arm64, which others are for, first kolla/y:1"}
	if err != nil || !slices.Equal(notes, want) {
		t.Errorf("got %v, notes %q, want %q", err, notes, want)
	}
}

// FAULTS 66: what a registry gives that is not what it should be is refused, with
// image and blob, and nothing of it is kept; an answer that breaks off is asked for
// again, from where it was.
func TestFault66RegistryThatLies(t *testing.T) {
	s := serve(t, false)
	s.push(t, "kolla/x:1", image(t, 0))
	isBlob := func(req *http.Request) bool {
		return req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/")
	}
	isManifest := func(req *http.Request) bool {
		return req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/manifests/")
	}
	edited := func(when func(*http.Request) bool, edit func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) bool {
		return func(w http.ResponseWriter, req *http.Request, next http.Handler) bool {
			if !when(req) {
				return false
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, req)
			w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
			w.WriteHeader(rec.Code)
			w.Write(edit(rec.Body.Bytes()))
			return true
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for what, spoil := range map[string]func(http.ResponseWriter, *http.Request, http.Handler) bool{
		"flipped blob":     edited(isBlob, flip),
		"longer blob":      edited(isBlob, func(b []byte) []byte { return append(b, 0) }),
		"flipped manifest": edited(isManifest, flip),
		"missing blob": func(w http.ResponseWriter, req *http.Request, _ http.Handler) bool {
			if isBlob(req) {
				http.NotFound(w, req)
			}
			return isBlob(req)
		},
		"schema 1": func(w http.ResponseWriter, req *http.Request, _ http.Handler) bool {
			if !strings.Contains(req.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
			io.WriteString(w, `{"schemaVersion":1}`)
			return true
		},
	} {
		t.Run(what, func(t *testing.T) {
			s.spoilWith(spoil)
			st := newStore(t)
			_, err := importFrom(t, st, Config{URL: "registry://" + s.host})
			var refused *imageset.RefusedError
			if !errors.As(err, &refused) || refused.Image != "kolla/x:1" {
				t.Errorf("got %v", err)
			}
			if what != "schema 1" && refused != nil && refused.Blob == "" {
				t.Errorf("no blob is named: %v", err)
			}
			if sets, _ := st.Sets(); len(sets) > 0 {
				t.Error("a set is left")
			}
			left, _ := filepath.Glob(filepath.Join(st.Dir(), store.RegistryRoot, "blobs/sha256/*/*/data"))
			if len(left) > 0 {
				t.Errorf("blobs are left: %q", left)
			}
		})
	}
}

// breaking cuts a body in the middle, with the length of the whole announced.
func breaking(ranges bool) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) bool {
		if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		from := 0
		if ranges {
			fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from)
		}
		req.Header.Del("Range")
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, req)
		whole := rec.Body.Bytes()
		rest := whole[from:]
		w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		n := len(rest)
		if n > 600 { // so that it takes a few
			n = 500
		}
		w.Write(rest[:n])
		return true
	}
}

func TestRegistryGoesOnAfterABreak(t *testing.T) {
	s := serve(t, false)
	s.push(t, "kolla/x:1", image(t, 0))
	s.spoilWith(breaking(true))
	st := newStore(t)
	set, err := importFrom(t, st, Config{URL: "registry://" + s.host})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 1); err != nil {
		t.Error(err)
	}
	// One that knows no ranges never gets further: that is its fault, not the image's.
	s.spoilWith(breaking(false))
	if _, err := importFrom(t, newStore(t), Config{URL: "registry://" + s.host}); !errors.Is(err, imageset.ErrOrigin) {
		t.Errorf("got %v", err)
	}
}

// A registry that comes back within seconds is waited for; what came before it went
// away is not asked for again.
func TestRegistryContinues(t *testing.T) {
	s := serve(t, false)
	for i := range 6 {
		s.push(t, fmt.Sprintf("kolla/x%d:1", i), image(t, int64(i)))
	}
	var served int
	s.spoilWith(func(w http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if served++; served > 12 {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	st := newStore(t)
	if _, err := importFrom(t, st, Config{URL: "registry://" + s.host}); !errors.Is(err, imageset.ErrOrigin) {
		t.Fatalf("got %v", err)
	}
	busy := 2
	s.spoilWith(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if busy--; busy >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	set, err := importFrom(t, st, Config{URL: "registry://" + s.host})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.blobs(); n == 0 || n > len(set.Blobs)-6-4 {
		t.Errorf("%d of %d blobs were asked for again", n, len(set.Blobs)-6)
	}
}

// The credentials that docker login left are used, and kept out of messages.
func TestRegistryAccess(t *testing.T) {
	s := serve(t, false)
	s.push(t, "kolla/x:1", image(t, 0))
	s.spoilWith(func(w http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if user, pass, _ := req.BasicAuth(); user == "op" && pass == "s3cret-marker" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host, base64.StdEncoding.EncodeToString([]byte("op:s3cret-marker")))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: "registry://" + s.host}
	if _, err := importFrom(t, newStore(t), cfg); !errors.Is(err, imageset.ErrOrigin) || !strings.Contains(err.Error(), "docker login") {
		t.Errorf("without: %v", err)
	}
	var err error
	if cfg.Access, err = DockerAccess(t.Context(), cfg.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := importFrom(t, newStore(t), cfg); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v", cfg, cfg); strings.Contains(text, "s3cret-marker") {
		t.Errorf("the password is printed: %s", text)
	}
}

// A CA makes HTTPS of any address; a stranger's certificate is refused, and so is
// HTTP where HTTPS is spoken.
func TestRegistrySchemes(t *testing.T) {
	s := serve(t, true)
	s.push(t, "kolla/x:1", image(t, 0))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	cfg := Config{URL: "registry://" + s.host, CA: ca}
	if _, err := importFrom(t, newStore(t), cfg); err != nil {
		t.Error(err)
	}
	other := httptest.NewTLSServer(nil) // has the same certificate, but speaks for nobody
	other.Close()
	cfg.CA = []byte("no certificate")
	if _, err := importFrom(t, newStore(t), cfg); !errors.Is(err, ErrURL) {
		t.Errorf("no certificate: %v", err)
	}
	d, err := newDialer(Config{}, "192.0.2.1:5000")
	if err != nil || d.plain {
		t.Fatalf("off loopback: plain %t, %v", d.plain, err)
	}
	req := httptest.NewRequest(http.MethodGet, "http://192.0.2.1:5000/v2/", nil)
	if _, err := d.RoundTrip(req.WithContext(context.Background())); !errors.Is(err, errScheme) {
		t.Errorf("HTTP off loopback: %v", err)
	}
	for host, want := range map[string]bool{"127.0.0.1:5000": true, "localhost:5000": true, "localhost": true, "[::1]:5000": true,
		"127.0.0.1.example.org": false, "10.0.0.1:5000": false, "registry.local": false} {
		if isLoopback(host) != want {
			t.Errorf("%s: loopback is %t", host, !want)
		}
	}
	if d, err := newDialer(Config{Insecure: true}, "192.0.2.1:5000"); err != nil || !d.plain {
		t.Error("insecure does not speak HTTP")
	}
}

// R6: proxies are honoured for a registry that is elsewhere.
func TestR6ProxyOfARegistry(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, req.URL.String())
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	cfg := Config{URL: "registry://registry.invalid", Insecure: true, Proxy: Proxy{HTTP: proxy.URL}}
	if _, err := importFrom(t, newStore(t), cfg); !errors.Is(err, imageset.ErrOrigin) {
		t.Errorf("got %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(asked, func(u string) bool { return strings.HasPrefix(u, "http://registry.invalid/v2/") }) {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

func TestURLs(t *testing.T) {
	for source, ok := range map[string]bool{
		"registry://h:5000": true, "registry://h/kolla": true, "docker://": true, "podman:///run/p.sock": true,
		"registry://": false, "registry://u:p@h": false, "registry://h?x=1": false, "docker://host": false, "http://h": false, "/a/b": false,
	} {
		if err := Check(source); (err == nil) != ok || err != nil && !errors.Is(err, ErrURL) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// FAULTS 69: a tag that is moved to another image while it is read: what the tag
// meant first is what is imported, or nothing.
func TestFault69TagMovesMeanwhile(t *testing.T) {
	s := serve(t, false)
	old := s.push(t, "kolla/x:1", image(t, 0))
	s.spoilWith(func(w http.ResponseWriter, req *http.Request, next http.Handler) bool {
		if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/manifests/"+string(old)) {
			s.mu.Lock()
			s.spoil = nil
			s.mu.Unlock()
			s.push(t, "kolla/x:1", image(t, 9))
		}
		return false
	})
	set, err := importFrom(t, newStore(t), Config{URL: "registry://" + s.host})
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := set.Lookup("kolla/x", "1"); d != old {
		t.Errorf("got %s, want %s", d, old)
	}
}

// FAULTS 69: a registry that answers with another manifest than its digest says.
func TestFault69ManifestOfAnotherImage(t *testing.T) {
	s := serve(t, false)
	s.push(t, "kolla/x:1", image(t, 0))
	other := s.push(t, "kolla/y:1", image(t, 1))
	s.spoilWith(func(_ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/kolla/x/manifests/") {
			req.URL.Path = "/v2/kolla/y/manifests/" + string(other)
		}
		return false
	})
	st := newStore(t)
	_, err := importFrom(t, st, Config{URL: "registry://" + s.host})
	var refused *imageset.RefusedError
	if !errors.Is(err, store.ErrDigestMismatch) || !errors.As(err, &refused) || refused.Image != "kolla/x:1" {
		t.Errorf("got %v", err)
	}
}
