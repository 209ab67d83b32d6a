package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// acceptManifests is what is asked for: every kind that a set can hold.
var acceptManifests = strings.Join([]string{
	store.MediaTypeDockerManifest, store.MediaTypeDockerList,
	store.MediaTypeOCIManifest, store.MediaTypeOCIIndex,
}, ", ")

// An upstreamClient asks one upstream. Safe for concurrent use.
type upstreamClient struct {
	base *url.URL
	http *http.Client
	auth *authorizer
	time timing
}

// newUpstreamClient returns a client of up.
func newUpstreamClient(up Upstream, t timing) (*upstreamClient, error) {
	base, err := up.parse()
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(up.CA, t)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: checkRedirect}
	return &upstreamClient{
		base: base,
		http: client,
		auth: newAuthorizer(client, base, up.Username, up.Password),
		time: t,
	}, nil
}

// checkRedirect lets an operator's registry send us to its blob storage, but
// never from https to http. net/http drops the credentials between hosts, and
// what comes is checked by its digest.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("redirected from https to " + req.URL.Scheme)
	}
	return nil
}

// open asks for the content of want in repo; part is "manifests" or "blobs".
// The body is not checked yet: relay does that.
func (c *upstreamClient) open(ctx context.Context, repo, part string, want store.Blob) (io.ReadCloser, error) {
	resp, err := c.ask(ctx, http.MethodGet, repo, part, want)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// head asks whether upstream can deliver want.
func (c *upstreamClient) head(ctx context.Context, repo, part string, want store.Blob) error {
	resp, err := c.ask(ctx, http.MethodHead, repo, part, want)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// ping asks for the API's base.
func (c *upstreamClient) ping(ctx context.Context) error {
	resp, err := c.send(ctx, http.MethodGet, "", "/v2/", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return statusError(resp)
	}
	return nil
}

func (c *upstreamClient) ask(ctx context.Context, method, repo, part string, want store.Blob) (*http.Response, error) {
	resp, err := c.request(ctx, method, repo, part, want, 0)
	if err != nil {
		return nil, err
	}
	if err := c.check(resp, want); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// askFrom asks for want from byte from on; the answer may be all of it.
func (c *upstreamClient) askFrom(ctx context.Context, repo, part string, want store.Blob, from int64) (*http.Response, error) {
	resp, err := c.request(ctx, http.MethodGet, repo, part, want, from)
	if err != nil {
		return nil, err
	}
	rest := fmt.Sprintf("bytes %d-%d/%d", from, want.Size-1, want.Size)
	if resp.StatusCode == http.StatusPartialContent && resp.Header.Get("Content-Range") == rest {
		return resp, nil
	}
	if err := c.check(resp, want); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func (c *upstreamClient) request(ctx context.Context, method, repo, part string, want store.Blob, from int64) (*http.Response, error) {
	repo = strings.TrimPrefix(strings.TrimSuffix(c.base.Path, "/")+"/"+repo, "/")
	accept := ""
	if part == "manifests" {
		accept = acceptManifests
	}
	header := make(http.Header)
	if accept != "" {
		header.Set("Accept", accept)
	}
	if from > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	return c.send(ctx, method, repo, "/v2/"+repo+"/"+part+"/"+string(want.Digest), header)
}

// check refuses what cannot be want by its header alone.
func (c *upstreamClient) check(resp *http.Response, want store.Blob) error {
	if resp.StatusCode != http.StatusOK {
		return statusError(resp)
	}
	if n := resp.ContentLength; n >= 0 && want.Size >= 0 && n != want.Size {
		return fmt.Errorf("%w: %s announces %d bytes for %s of %d",
			store.ErrSizeMismatch, c.base.Redacted(), n, want.Digest, want.Size)
	}
	if d := resp.Header.Get(headerDigest); d != "" && d != string(want.Digest) {
		return fmt.Errorf("%w: %s announces another digest for %s",
			store.ErrDigestMismatch, c.base.Redacted(), want.Digest)
	}
	return nil
}

// send sends one request, with credentials when upstream asks for them.
func (c *upstreamClient) send(ctx context.Context, method, repo, path string, header http.Header) (*http.Response, error) {
	target := url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: path}
	for try := 0; ; try++ {
		req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", c.base.Redacted(), err)
		}
		maps.Copy(req.Header, header)
		req.Header.Set(headerHop, "1")
		c.auth.authorize(req, repo)
		resp, err := do(c.http, req, c.time.readStall())
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", c.base.Redacted(), err)
		}
		if resp.StatusCode != http.StatusUnauthorized || try > 0 {
			return resp, nil
		}
		again, err := c.auth.challenge(ctx, resp, repo)
		if err != nil || !again {
			defer resp.Body.Close()
			return nil, errors.Join(statusError(resp), err)
		}
		resp.Body.Close()
	}
}

// statusError reads what a registry says about a request that it refused.
func statusError(resp *http.Response) *StatusError {
	e := &StatusError{URL: resp.Request.URL.Redacted(), Status: resp.StatusCode}
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if decodeJSON(resp.Body, &body) == nil && len(body.Errors) > 0 {
		e.Message = clip(body.Errors[0].Code + ": " + body.Errors[0].Message)
	}
	return e
}

// badGateway is the answer for a fault upstream: 404 when it says that it has
// not got the content, else 502, naming it. Never kept: the next request asks
// again.
func badGateway(err error) error {
	var answer *apiError
	var sink *sinkError
	if errors.As(err, &answer) || errors.As(err, &sink) {
		return err
	}
	e := &apiError{status: http.StatusBadGateway, code: "UNAVAILABLE",
		message: "the upstream registry does not deliver: " + clip(err.Error()) +
			"; see to it that it runs and can be reached, or run distribute again, which brings what this host lacks",
		err: err}
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		e.status = http.StatusNotFound
	}
	return e
}

// upstreamMissing is the answer when there is nobody to ask.
func upstreamMissing(err error) error {
	if errors.Is(err, ErrNoUpstream) {
		return &apiError{http.StatusNotFound, "", "not in this registry's store, and no upstream is configured", err}
	}
	return &apiError{http.StatusBadGateway, "UNAVAILABLE", "the upstream registry is not usable as configured", err}
}
