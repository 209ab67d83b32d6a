package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode"
)

// maxTokens bounds the tokens that are kept; a set has some 200 repositories.
const maxTokens = 1024

// An authorizer answers the challenges of one registry: Basic, or Docker's
// Bearer tokens (distribution, docs/spec/auth/token.md). Credentials go out only
// after a challenge, to the registry itself or to the https token service that
// it names. Safe for concurrent use.
type authorizer struct {
	client         *http.Client
	base           *url.URL
	user, password string

	mu     sync.Mutex
	basic  bool              // the registry has asked for Basic
	tokens map[string]string // by repository
}

func newAuthorizer(client *http.Client, base *url.URL, user, password string) *authorizer {
	return &authorizer{client: client, base: base, user: user, password: password,
		tokens: make(map[string]string)}
}

// authorize adds to req what the registry has asked for before.
func (a *authorizer) authorize(req *http.Request, repo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if token := a.tokens[repo]; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else if a.basic {
		req.SetBasicAuth(a.user, a.password)
	}
}

// challenge takes in the challenge of an answer 401 and reports whether asking
// again makes sense.
func (a *authorizer) challenge(ctx context.Context, resp *http.Response, repo string) (bool, error) {
	if resp.Request.URL.Host != a.base.Host {
		return false, nil // a redirect's target asks; our credentials are not for it
	}
	for _, text := range resp.Header.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(text, " ")
		switch strings.ToLower(scheme) {
		case "bearer":
			return a.getToken(ctx, parseParams(rest), repo)
		case "basic":
			return a.useBasic(resp.Request), nil
		}
	}
	return false, nil
}

// useBasic reports whether Basic is worth a try after refused was: not when that
// carried the credentials already. What other requests found out meanwhile does
// not matter: several may go out before the first answer.
func (a *authorizer) useBasic(refused *http.Request) bool {
	if a.user == "" || refused.Header.Get("Authorization") != "" {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.basic = true
	return true
}

// getToken fetches a token that may pull from repo.
func (a *authorizer) getToken(ctx context.Context, params map[string]string, repo string) (bool, error) {
	target, err := a.tokenURL(params, repo)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return false, fmt.Errorf("asking for a token: %w", err)
	}
	if a.user != "" {
		req.SetBasicAuth(a.user, a.password)
	}
	resp, err := do(a.client, req, readStall)
	if err != nil {
		return false, fmt.Errorf("asking for a token: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, &StatusError{URL: target.Scheme + "://" + target.Host, Status: resp.StatusCode}
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := decodeJSON(resp.Body, &answer); err != nil {
		return false, fmt.Errorf("reading a token: %w", err)
	}
	return a.keep(repo, cmp.Or(answer.Token, answer.AccessToken)), nil
}

// tokenURL returns where a token for repo is to be had. A service that is asked
// without TLS by a registry with TLS would show the password to everybody.
func (a *authorizer) tokenURL(params map[string]string, repo string) (*url.URL, error) {
	target, err := url.Parse(params["realm"])
	if err != nil || target.Host == "" || target.Scheme != a.base.Scheme {
		return nil, errors.New("the registry names no usable token service")
	}
	q := target.Query()
	if s := params["service"]; s != "" {
		q.Set("service", s)
	}
	if repo != "" {
		q.Set("scope", "repository:"+repo+":pull")
	}
	target.RawQuery = q.Encode()
	return target, nil
}

// keep stores the token and reports whether there is one.
func (a *authorizer) keep(repo, token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tokens) >= maxTokens {
		clear(a.tokens)
	}
	a.tokens[repo] = token
	return token != ""
}

// parseParams reads name="value" pairs with commas between them (RFC 9110,
// section 11.2), as registries write them: without escapes.
func parseParams(s string) map[string]string {
	params := make(map[string]string)
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, rest, _ = strings.Cut(rest[1:], `"`)
			_, s, _ = strings.Cut(rest, ",")
		} else {
			value, s, _ = strings.Cut(rest, ",")
		}
		params[strings.ToLower(strings.TrimSpace(name))] = value
	}
	return params
}

// decodeJSON reads one small JSON value.
func decodeJSON(r io.Reader, v any) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxJSON))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// clip keeps another program's words short and on one line.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
