package origin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

// A gate is the token server of a registry, as quay.io and Docker Hub have one: a
// token is for one scope, and for some requests.
type gate struct {
	user, password string // "" for everybody
	uses           int    // of a token, until it has expired; 0 for ever
	identity       string // a refresh token that is taken too

	mu     sync.Mutex
	scopes map[string]string // by token
	left   map[string]int    // uses, by token
	given  map[string]int    // tokens, by scope
}

// guard puts a gate before a registry.
func guard(t *testing.T, s *served, g *gate) {
	t.Helper()
	g.scopes, g.left, g.given = make(map[string]string), make(map[string]int), make(map[string]int)
	s.spoilWith(func(w http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if req.URL.Path == "/token" {
			g.give(w, req)
			return true
		}
		scope := "registry:catalog:*"
		if rest, ok := strings.CutPrefix(req.URL.Path, "/v2/kolla/"); ok {
			repo, _, _ := strings.Cut(rest, "/")
			scope = "repository:kolla/" + repo + ":pull"
		}
		if g.lets(req, scope) {
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="registry.test",scope="%s"`, s.URL, scope))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

// lets reports whether a request has a token for the scope that is still good.
func (g *gate) lets(req *http.Request, scope string) bool {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok || g.scopes[token] == "" || req.URL.Path != "/v2/" && g.scopes[token] != scope {
		return false
	}
	if g.uses > 0 {
		if g.left[token] == 0 {
			return false
		}
		g.left[token]--
	}
	return true
}

// give answers who asks for a token.
func (g *gate) give(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	user, password, _ := req.BasicAuth()
	isKnown := user == g.user && password == g.password
	if g.identity != "" {
		isKnown = req.Method == http.MethodPost && req.PostForm.Get("grant_type") == "refresh_token" &&
			req.PostForm.Get("refresh_token") == g.identity
	}
	if !isKnown || req.Form.Get("service") != "registry.test" {
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`, http.StatusUnauthorized)
		return
	}
	token, scope := rand.Text(), req.Form.Get("scope")
	g.mu.Lock()
	g.scopes[token], g.left[token] = scope, g.uses
	g.given[scope]++
	g.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 60})
}

// Registries that want a token give their images to who has the right, one token a
// scope, and a new one when it has expired.
func TestRegistryTokens(t *testing.T) {
	for name, c := range map[string]struct {
		gate   *gate
		access Access
	}{
		"Anybody":       {gate: &gate{}},
		"Password":      {&gate{user: "kolla", password: "secret"}, Access{Username: "kolla", Password: "secret"}},
		"IdentityToken": {&gate{identity: "refresh-me"}, Access{IdentityToken: "refresh-me"}},
		"Expires":       {gate: &gate{uses: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, false)
			want := make(map[string]string)
			for i := range 3 {
				repo := fmt.Sprintf("kolla/x%d", i)
				want[repo] = string(s.push(t, repo+":1", image(t, int64(i))))
			}
			g := c.gate
			guard(t, s, g)
			st := newStore(t)
			set, err := importFrom(t, st, Config{URL: "registry://" + s.host, Access: c.access})
			if err != nil {
				t.Fatal(err)
			}
			for _, img := range set.Images {
				if want[img.Repository] != string(img.Manifest) {
					t.Errorf("%s has %s, want %s", img.Repository, img.Manifest, want[img.Repository])
				}
			}
			if len(set.Images) != len(want) {
				t.Errorf("got %d images, want %d", len(set.Images), len(want))
			}
			if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
				t.Error(err)
			}
			for scope, n := range g.given {
				isRead := strings.HasPrefix(scope, "repository:") // with more requests than a token is good for
				if isMany := n > 1; isMany != (g.uses > 0 && isRead) {
					t.Errorf("%d tokens for %s", n, scope)
				}
			}
			if len(g.given) != 1+len(want) {
				t.Errorf("tokens for %v", g.given)
			}
		})
	}
}

// Who has not the right is told what to do, at once and without the password.
func TestRegistryRefusesATokenless(t *testing.T) {
	s := serve(t, false)
	s.push(t, "kolla/x:1", image(t, 1))
	guard(t, s, &gate{user: "kolla", password: "secret"})
	for name, access := range map[string]Access{
		"Nobody": {}, "WrongPassword": {Username: "kolla", Password: "of-the-cat"}, "UnknownToken": {RegistryToken: "forged"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, images := range [][]string{nil, {"kolla/x:1"}} {
				st := newStore(t)
				_, err := importFrom(t, st, Config{URL: "registry://" + s.host, Access: access, Images: images})
				if text := fmt.Sprint(err); !errors.Is(err, imageset.ErrOrigin) || !strings.Contains(text, "docker login") || strings.Contains(text, "of-the-cat") ||
					strings.Contains(text, "forged") {
					t.Errorf("got %q", text)
				}
				if sets, err := st.Sets(); err != nil || len(sets) > 0 {
					t.Errorf("sets are left: %v, %v", sets, err)
				}
			}
		})
	}
}
