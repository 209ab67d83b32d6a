package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ClientConfig says how a Client reaches registries.
type ClientConfig struct {
	// CA is the PEM certificate that alone is trusted for https URLs; empty means
	// the system's.
	CA []byte
	// Workers is how many blobs are read at one time. Default: the number of
	// CPUs, at most 4: hashing is what takes time.
	Workers int
	// Stall is how long a registry may send nothing in mid-body. Default 30 s.
	Stall time.Duration
}

// A Client asks registries of ours whether they deliver. It believes no answer
// without the expected identity, follows no redirect and uses no proxy. URLs are
// bases such as http://127.0.0.1:4000. Safe for concurrent use.
type Client struct {
	http    *http.Client
	workers int
	time    timing
}

// NewClient returns a Client.
func NewClient(cfg ClientConfig) (*Client, error) {
	t := timing{stall: cfg.Stall}
	transport, err := newTransport(cfg.CA, t)
	if err != nil {
		return nil, err
	}
	c := &Client{http: &http.Client{Transport: transport, CheckRedirect: noRedirect}, workers: cfg.Workers, time: t}
	if c.workers <= 0 {
		c.workers = min(4, runtime.GOMAXPROCS(0))
	}
	return c, nil
}

// noRedirect makes a redirect an answer like any other: not 200.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ping returns the identity of the registry at base. ErrNotOurs says that
// something answers that is not a registry of ours.
func (c *Client) Ping(ctx context.Context, base string) (identity string, err error) {
	resp, err := c.get(ctx, http.MethodGet, base, "/v2/", "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	identity = resp.Header.Get(headerIdentity)
	if identity == "" {
		return "", fmt.Errorf("%w: %s", ErrNotOurs, base)
	}
	if resp.StatusCode != http.StatusOK {
		return identity, statusError(resp)
	}
	return identity, nil
}

// Reach proves that up can be used from here: TLS with its CA, its API's base,
// and HEAD of each image's manifest (the content of one is enough to know that
// credentials and prefix are right).
func Reach(ctx context.Context, up Upstream, images ...store.Image) error {
	return reach(ctx, up, timing{}, images...)
}

func reach(ctx context.Context, up Upstream, t timing, images ...store.Image) error {
	c, err := newUpstreamClient(up, t)
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	if err := c.ping(ctx); err != nil {
		return err
	}
	for _, img := range images {
		want := store.Blob{Digest: img.Manifest, Size: -1}
		if err := c.head(ctx, img.Repository, "manifests", want); err != nil {
			return &BadImageError{Image: img, Err: err}
		}
	}
	return nil
}

// Reach is the function Reach, for those who hold a Client.
func (c *Client) Reach(ctx context.Context, up Upstream, images ...store.Image) error {
	return reach(ctx, up, c.time, images...)
}

// get sends one request to base+path.
func (c *Client) get(ctx context.Context, method, base, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", base, err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := do(c.http, req, c.time.readStall())
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", base, err)
	}
	return resp, nil
}

// A target is one registry as a verification asks it.
type target struct {
	client   *Client
	base     string
	identity string
}

// ask sends a request and accepts only the expected registry's 200.
func (t target) ask(ctx context.Context, method, path, accept string) (*http.Response, error) {
	resp, err := t.client.get(ctx, method, t.base, path, accept)
	if err != nil {
		return nil, err
	}
	if got := resp.Header.Get(headerIdentity); got != t.identity || got == "" {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: %s says %q, not %q", ErrNotOurs, t.base, clip(got), t.identity)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, statusError(resp)
	}
	return resp, nil
}

// manifest reads the manifest that ref, a tag or a digest, names in repo and
// proves that it is want's bytes.
func (t target) manifest(ctx context.Context, repo, ref string, want store.Digest) (m store.Manifest, source string, err error) {
	resp, err := t.ask(ctx, http.MethodGet, "/v2/"+repo+"/manifests/"+ref, acceptManifests)
	if err != nil {
		return m, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, store.MaxManifest+1))
	if err != nil {
		return m, "", fmt.Errorf("reading the manifest: %w", err)
	}
	if got := store.DigestOf(raw); got != want || resp.Header.Get(headerDigest) != string(want) {
		return m, "", fmt.Errorf("%w: the manifest is %s (said to be %s), not %s",
			store.ErrDigestMismatch, got, clip(resp.Header.Get(headerDigest)), want)
	}
	m, err = store.ParseManifest(raw)
	return m, resp.Header.Get(headerSource), err
}

// blob reads b whole and proves it.
func (t target) blob(ctx context.Context, repo string, b store.Blob) (source string, err error) {
	resp, err := t.ask(ctx, http.MethodGet, "/v2/"+repo+"/blobs/"+string(b.Digest), "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Header.Get(headerSource), relay(io.Discard, resp.Body, b)
}

// source asks where b would come from, and in what size.
func (t target) source(ctx context.Context, repo string, b store.Blob) (string, error) {
	resp, err := t.ask(ctx, http.MethodHead, "/v2/"+repo+"/blobs/"+string(b.Digest), "")
	if err != nil {
		return "", err
	}
	if resp.ContentLength != b.Size {
		err = fmt.Errorf("%w: %d bytes are promised, not %d", store.ErrSizeMismatch, resp.ContentLength, b.Size)
	}
	return resp.Header.Get(headerSource), errors.Join(err, resp.Body.Close())
}
