package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func TestUpstreamFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadUpstream(dir); !errors.Is(err, ErrNoUpstream) {
		t.Errorf("got %v, want ErrNoUpstream", err)
	}
	want := Upstream{URL: "https://10.20.11.2:4000", Username: "u", Password: "marker"}
	check(t, WriteUpstream(dir, want))
	info, err := os.Stat(UpstreamPath(dir))
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
	got, err := ReadUpstream(dir)
	if err != nil || got.URL != want.URL || got.Password != want.Password {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{fmt.Sprint(got), fmt.Sprintf("%+v %#v", got, got), got.LogValue().String()} {
		if strings.Contains(text, "marker") {
			t.Errorf("%q shows the password (fault 77)", text)
		}
	}
	check(t, WriteUpstream(dir, Upstream{}))
	check(t, WriteUpstream(dir, Upstream{})) // twice is fine
	if _, err := ReadUpstream(dir); !errors.Is(err, ErrNoUpstream) {
		t.Errorf("got %v, want ErrNoUpstream", err)
	}
}

func TestR12UpstreamIsHTTPSOffLoopback(t *testing.T) {
	for _, url := range []string{
		"http://10.0.0.1:4000", "http://registry:4000", "http://localhost:4000", "ftp://10.0.0.1", "10.0.0.1:4000", "https://",
		"https://u:p@10.0.0.1", "https://10.0.0.1?x=1", "https://10.0.0.1/#x", "https://%zz",
	} {
		if err := WriteUpstream(t.TempDir(), Upstream{URL: url}); !errors.Is(err, errUpstream) {
			t.Errorf("%s: got %v, want it refused", url, err)
		}
	}
	if err := WriteUpstream(t.TempDir(), Upstream{URL: "https://10.0.0.1", CA: []byte("x")}); !errors.Is(err, errUpstream) {
		t.Errorf("got %v, want the CA refused", err)
	}
	for _, url := range []string{"http://127.0.0.2:4000", "http://[::1]:4000", "https://10.0.0.1:4000", "https://r/prefix"} {
		check(t, WriteUpstream(t.TempDir(), Upstream{URL: url}))
	}
}

// An operator's registry: below a prefix, with Basic or with Bearer tokens.
func TestUpstreamWithPrefixAndCredentials(t *testing.T) {
	for _, scheme := range []string{"basic", "bearer"} {
		t.Run(scheme, func(t *testing.T) {
			f := newFixture(t)
			layer := f.big("kolla/a", "1", 1000)
			guard := &guarded{scheme: scheme, next: New(Config{Store: f.whole()})}
			guard.base = startHandler(t, guard)
			st := f.lean()
			base := leanOn(t, st, guard.base+"/prefix")
			get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 502, "UNAVAILABLE")
			check(t, WriteUpstream(st.Dir(), Upstream{URL: guard.base + "/prefix", Username: "u", Password: "p:1"}))
			for range 2 {
				get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest)).wantStatus(t, 200, "")
			}
			check(t, WriteUpstream(st.Dir(), Upstream{URL: guard.base + "/prefix", Username: "u", Password: "bad"}))
			a := get(t, base+"/v2/kolla/a/blobs/"+string(layer.Digest))
			a.wantStatus(t, 502, "UNAVAILABLE")
			if strings.Contains(string(a.body), "bad") {
				t.Errorf("%s shows the password", a.body)
			}
			up := Upstream{URL: guard.base + "/prefix", Username: "u", Password: "p:1"}
			check(t, Reach(t.Context(), up, f.images...))
			up.Password = ""
			var status *StatusError
			if err := Reach(t.Context(), up, f.images...); !errors.As(err, &status) || status.Status != 401 {
				t.Errorf("got %v, want 401", err)
			}
		})
	}
}

// Several requests go out before the first answer says that Basic is wanted: each
// is asked again with credentials, once.
func TestEveryFirstRequestAnswersTheBasicChallenge(t *testing.T) {
	const atOnce = 4
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	next := New(Config{Store: f.whole()})
	var refused sync.WaitGroup // until so many requests without credentials have come
	refused.Add(atOnce)
	upstream := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			refused.Done()
			refused.Wait()
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}))
	c, err := newUpstreamClient(Upstream{URL: upstream, Username: "u", Password: "p"}, timing{})
	check(t, err)
	defer c.http.CloseIdleConnections()
	errs := make(chan error, atOnce)
	for range atOnce {
		go func() { errs <- c.head(t.Context(), "kolla/a", "blobs", layer) }()
	}
	for range atOnce {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// guarded is a registry under /prefix that wants credentials.
type guarded struct {
	scheme, base string
	next         http.Handler
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	known := user == "u" && password == "p:1"
	scope := "repository:prefix/kolla/a:pull"
	switch {
	case r.URL.Path == "/token":
		if !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"access_token": r.URL.Query().Get("scope") + r.URL.Query().Get("service")})
	case g.scheme == "basic" && !known:
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	case g.scheme == "bearer" && !g.admits(r, scope):
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+g.base+`/token",service="reg, istry",scope="`+scope+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		r.URL.Path = strings.Replace(r.URL.Path, "/v2/prefix/", "/v2/", 1)
		g.next.ServeHTTP(w, r)
	}
}

func (g *guarded) admits(r *http.Request, scope string) bool {
	auth := r.Header.Get("Authorization")
	if r.URL.Path == "/v2/" {
		return auth == "Bearer reg, istry"
	}
	return auth == "Bearer "+scope+"reg, istry"
}

// A redirect keeps the digest check and never leads from https to http.
func TestUpstreamRedirect(t *testing.T) {
	from, err := http.NewRequest("GET", "https://a/", nil)
	check(t, err)
	to, err := http.NewRequest("GET", "http://a/", nil)
	check(t, err)
	if checkRedirect(to, []*http.Request{from}) == nil {
		t.Error("https led to http")
	}
	if checkRedirect(from, []*http.Request{from}) != nil {
		t.Error("https did not lead to https")
	}
	if checkRedirect(from, make([]*http.Request, maxRedirects+1)) == nil {
		t.Error("redirects have no end")
	}
}

// Credentials go to the registry, or to the token service that it names under
// the same scheme, and to nobody else.
func TestCredentialsStayWithTheRegistry(t *testing.T) {
	base, err := url.Parse("https://registry")
	check(t, err)
	a := newAuthorizer(nil, base, "u", "p")
	for realm, want := range map[string]bool{"https://token/x": true, "http://token/x": false, "/x": false, "": false} {
		if _, err := a.tokenURL(map[string]string{"realm": realm}, "r"); (err == nil) != want {
			t.Errorf("realm %q: got %v, want it taken: %v", realm, err, want)
		}
	}
	storage, err := http.NewRequest("GET", "https://storage/blob", nil)
	check(t, err)
	resp := &http.Response{Request: storage, Header: http.Header{"Www-Authenticate": {"Basic realm=x"}}}
	if again, err := a.challenge(t.Context(), resp, "r"); again || err != nil || a.basic {
		t.Errorf("another host's challenge was answered: %v, %v", again, err)
	}
}

func TestParseParams(t *testing.T) {
	for text, want := range map[string]map[string]string{
		`realm="https://a/t?x=1,2",service="s"`: {"realm": "https://a/t?x=1,2", "service": "s"},
		`Realm=a, scope="b"`:                    {"realm": "a", "scope": "b"},
		`realm="open`:                           {"realm": "open"},
		`nothing`:                               {},
		``:                                      {},
	} {
		if got := parseParams(text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// Another registry's words end up on a terminal.
func TestClipKeepsWordsPlain(t *testing.T) {
	if got := clip("a\x1b[2J\u009b2J\u202eb\n"); got != "a [2J 2J b " {
		t.Errorf("got %q", got)
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{"/v2/", "/v2/a/b/tags/list", "/v2/a/manifests/1", "/v2/a/blobs/" + unknownDigest, "/v2/a/referrers/sha512:0", "/v2/../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, err := parseRoute(path)
		if err != nil {
			if asAPIError(err).status >= 500 {
				t.Errorf("%q: %v", path, err)
			}
			return
		}
		if r.repo != "" && (!store.ValidRepository(r.repo) || strings.Contains(r.repo, "..") || r.repo[0] == '/') {
			t.Errorf("%q: got repository %q", path, r.repo)
		}
		if r.tag != "" && !store.ValidTag(r.tag) {
			t.Errorf("%q: got tag %q", path, r.tag)
		}
		if r.digest != "" && r.digest.Hex() == "" {
			t.Errorf("%q: got digest %q", path, r.digest)
		}
	})
}

func FuzzParseParams(f *testing.F) {
	f.Add(`realm="a",service=b`)
	f.Fuzz(func(t *testing.T, s string) { parseParams(s) })
}
