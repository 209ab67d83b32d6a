package origin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/net/http/httpproxy"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

const (
	// requestsAtOnce is how many questions a registry gets at once; blobs come on
	// top, as many as imageset asks for.
	requestsAtOnce = 8
	maxPage        = 16 << 20 // bytes of one page of a list
	maxPages       = 10_000
	maxBreaks      = 4
	// tries and their pauses: a registry that restarts is back within some seconds.
	tries      = 4
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second // that a registry may ask for
	// answerTime bounds the wait for an answer's first byte.
	answerTime  = time.Minute
	connectTime = 15 * time.Second
)

// A dialer makes connections to one registry.
type dialer struct {
	registry  name.Registry
	auth      authn.Authenticator
	transport *http.Transport
	plain     bool // HTTP, and never HTTPS, to the registry's host
}

func newDialer(cfg Config, host string) (*dialer, error) {
	options := []name.Option{name.StrictValidation}
	d := &dialer{auth: authn.Anonymous, plain: len(cfg.CA) == 0 && (cfg.Insecure || isLoopback(host))}
	if d.plain {
		options = append(options, name.Insecure)
	}
	var err error
	if d.registry, err = name.NewRegistry(host, options...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if a := cfg.Access; a != (Access{}) {
		d.auth = authn.FromConfig(authn.AuthConfig{Username: a.Username, Password: a.Password,
			IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken})
	}
	proxy := (&httpproxy.Config{HTTPProxy: cfg.Proxy.HTTP, HTTPSProxy: cfg.Proxy.HTTPS, NoProxy: cfg.Proxy.None}).ProxyFunc()
	d.transport = &http.Transport{
		Proxy:                 func(req *http.Request) (*url.URL, error) { return proxy(req.URL) },
		DialContext:           (&net.Dialer{Timeout: connectTime, KeepAlive: connectTime}).DialContext,
		TLSHandshakeTimeout:   connectTime,
		ResponseHeaderTimeout: answerTime,
		MaxIdleConnsPerHost:   2 * requestsAtOnce,
		IdleConnTimeout:       answerTime,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
	if len(cfg.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(cfg.CA) {
			return nil, fmt.Errorf("%w: the registry's CA is not a certificate in PEM", ErrURL)
		}
		d.transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return d, nil
}

// isLoopback reports whether a host, with or without a port, is this machine by
// its very name: what a resolver says is not asked.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// errScheme keeps the registry from being spoken to as it should not be.
var errScheme = errors.New("only HTTPS is spoken to this registry; see --source-insecure")

// RoundTrip holds requests to the scheme that was decided on, wherever an answer
// redirects to.
func (d *dialer) RoundTrip(req *http.Request) (*http.Response, error) {
	isRegistry := req.URL.Host == d.registry.RegistryStr()
	switch {
	case !d.plain && req.URL.Scheme != "https":
		return nil, errScheme
	case d.plain && isRegistry && req.URL.Scheme != "http":
		return nil, errors.New("HTTP is spoken to this registry")
	}
	return d.transport.RoundTrip(req)
}

// client returns a client that may pull from repo, or read the catalog.
func (r *registryOrigin) client(ctx context.Context, repo string) (*http.Client, error) {
	l := r.login(repo)
	l.mu.Lock() // asks for a token, beside who asks for another repository's
	defer l.mu.Unlock()
	if l.client != nil {
		return l.client, nil
	}
	scope := "registry:catalog:*"
	if repo != "" {
		scope = "repository:" + repo + ":pull"
	}
	t, err := transport.NewWithContext(ctx, r.dialer.registry, r.dialer.auth, r.dialer, []string{scope})
	if err != nil {
		return nil, err
	}
	l.client = &http.Client{Transport: t}
	return l.client, nil
}

// login is where the client of a repository is kept.
func (r *registryOrigin) login(repo string) *login {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.logins[repo]
	if l == nil {
		l = new(login)
		r.logins[repo] = l
	}
	return l
}

// do asks the registry, a few times when it does not answer. The error wraps
// fs.ErrNotExist when there is no such thing, and imageset.ErrOrigin else.
func (r *registryOrigin) do(ctx context.Context, repo, method, path string, edit func(*http.Request)) (*http.Response, error) {
	var last error
	pause := firstPause
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(pause):
			}
			pause *= 2
		}
		res, wait, err := r.once(ctx, repo, method, path, edit)
		if err == nil {
			return res, nil
		}
		last = err
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if wait < 0 {
			break
		}
		pause = max(pause, wait)
	}
	if errors.Is(last, fs.ErrNotExist) {
		return nil, last
	}
	return nil, fmt.Errorf("%w: %s: %w", imageset.ErrOrigin, r.dialer.registry, last)
}

// once asks once. wait is what to wait at least before the next try, negative when
// that would be in vain.
func (r *registryOrigin) once(ctx context.Context, repo, method, path string, edit func(*http.Request)) (_ *http.Response, wait time.Duration, _ error) {
	c, err := r.client(ctx, repo)
	if err != nil {
		var answered *transport.Error
		switch {
		case errors.As(err, &answered) && isDenied(answered.StatusCode):
			return nil, -1, noAccess(err)
		case errors.As(err, &answered) && answered.StatusCode < 500, errors.Is(err, errScheme):
			return nil, -1, err
		}
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.dialer.registry.Scheme()+"://"+r.dialer.registry.RegistryStr()+path, nil)
	if err != nil {
		return nil, -1, err
	}
	if edit != nil {
		edit(req)
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, 0, err
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent {
		return res, 0, nil
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	res.Body.Close()
	err = fmt.Errorf("%s %s: %s", method, path, res.Status)
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, -1, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case isDenied(res.StatusCode):
		return nil, -1, noAccess(err)
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return nil, retryAfter(res), err
	}
	return nil, -1, err
}

func isDenied(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

func noAccess(err error) error { return fmt.Errorf("%w: no access; use docker login", err) }

// retryAfter is what a registry asks to wait, within reason.
func retryAfter(res *http.Response) time.Duration {
	n, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, longPause)
}

// DockerAccess returns what docker's configuration, and its helpers, of the user who
// runs this has for a registry's URL.
func DockerAccess(ctx context.Context, source string) (Access, error) {
	u, err := parse(source)
	if err != nil || u.Scheme != "registry" {
		return Access{}, err
	}
	reg, err := name.NewRegistry(u.Host, name.Insecure)
	if err != nil {
		return Access{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	auth, err := authn.Resolve(ctx, authn.DefaultKeychain, reg)
	if err != nil {
		return Access{}, fmt.Errorf("reading docker's configuration: %w", err)
	}
	a, err := authn.Authorization(ctx, auth)
	if err != nil {
		return Access{}, fmt.Errorf("reading docker's configuration: %w", err)
	}
	return Access{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}, nil
}

// EnvironmentProxy is what the environment says of proxies.
func EnvironmentProxy() Proxy {
	e := httpproxy.FromEnvironment()
	return Proxy{HTTP: e.HTTPProxy, HTTPS: e.HTTPSProxy, None: e.NoProxy}
}
