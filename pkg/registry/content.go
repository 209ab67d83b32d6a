package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A location says where a digest can be had from.
type location struct {
	blob  store.Blob
	local bool // in the store; otherwise only upstream
}

// locate finds d for a request in repo. It is there when the repository is one
// of the set's or registry:2's links name d in it; it may come from upstream
// only when both the repository and d are the current set's (R10). A blob whose
// size on disk is not what the set says is as good as missing.
func (h *handler) locate(v *view, repo string, d store.Digest) (location, bool, error) {
	ours := v.hasRepository(repo)
	if !ours && !h.store.InRepository(repo, d) {
		return location{}, false, nil
	}
	want, inSet := v.blob(d)
	have, err := h.store.Stat(d)
	switch {
	case err == nil && (!inSet || have.Size == want.Size):
		return location{have, true}, true, nil
	case err != nil && !isNotExist(err):
		return location{}, false, err
	case ours && inSet:
		return location{want, false}, true, nil
	}
	return location{}, false, nil
}

// A manifest is a manifest's bytes, which its digest was computed from, and
// what its own words say it is.
type manifest struct {
	raw    []byte
	digest store.Digest
	parsed store.Manifest
	source string // SourceStore or SourceUpstream
}

// readManifest returns manifest d of rt's repository. Its digest holds,
// wherever it came from: one that rotted on disk counts as missing.
func (h *handler) readManifest(ctx context.Context, v *view, repo string, d store.Digest, hop bool) (*manifest, error) {
	at, ok, err := h.locate(v, repo, d)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("MANIFEST_UNKNOWN", "no such manifest in this repository")
	}
	if at.blob.Size > store.MaxManifest {
		return nil, notFound("MANIFEST_UNKNOWN", "too large for a manifest")
	}
	m := &manifest{digest: d, source: SourceStore}
	if m.raw, err = h.readStored(ctx, at); err != nil {
		return nil, err
	}
	if m.raw == nil {
		m.source = SourceUpstream
		if m.raw, err = h.fetchManifest(ctx, v, repo, d, hop); err != nil {
			return nil, err
		}
	}
	if m.parsed, err = store.ParseManifest(m.raw); err != nil {
		return nil, &apiError{http.StatusNotFound, "MANIFEST_UNKNOWN", "this digest is not a manifest's", err}
	}
	return m, nil
}

// readStored reads a manifest from the store, which verifies it. It returns nil
// when the store has not got it, or no longer as it should be.
func (h *handler) readStored(ctx context.Context, at location) ([]byte, error) {
	if !at.local {
		return nil, nil
	}
	raw, err := h.store.ReadBlob(at.blob.Digest, store.MaxManifest)
	switch {
	case err == nil:
		return raw, nil
	case isNotExist(err):
		return nil, nil
	case errors.Is(err, store.ErrDigestMismatch):
		h.log.WarnContext(ctx, "a manifest in the store is damaged", "err", err)
		return nil, nil
	}
	return nil, err
}

// fetchManifest reads a manifest of the set from upstream into memory.
func (h *handler) fetchManifest(ctx context.Context, v *view, repo string, d store.Digest, hop bool) ([]byte, error) {
	want, inSet := v.blob(d)
	if !inSet || !v.hasRepository(repo) || want.Size > store.MaxManifest {
		return nil, notFound("MANIFEST_UNKNOWN", "no such manifest in this repository")
	}
	body, err := h.fetch(ctx, repo, "manifests", want, hop)
	if err != nil {
		return nil, asUnknown(err, "MANIFEST_UNKNOWN")
	}
	defer body.Close()
	var raw bytes.Buffer
	if err := relay(&raw, body, want); err != nil {
		return nil, badGateway(err)
	}
	return raw.Bytes(), nil
}

// fetch asks upstream for one blob of the set. hop says that the request came
// from another registry of ours: it is never passed on, so that two registries
// that name each other do not ask in circles.
func (h *handler) fetch(ctx context.Context, repo, part string, want store.Blob, hop bool) (io.ReadCloser, error) {
	up, err := h.client(hop)
	if err != nil {
		return nil, err
	}
	body, err := h.flights.fetch(ctx, question{up, repo, part, want})
	if err != nil {
		return nil, badGateway(err)
	}
	return body, nil
}

// client returns the way upstream, if there is one for this request.
func (h *handler) client(hop bool) (*upstreamClient, error) {
	if hop {
		return nil, notFound("", "not in this registry's store")
	}
	up, err := h.upstream.client()
	if err != nil {
		return nil, upstreamMissing(err)
	}
	return up, nil
}

// asUnknown gives an answer 404 the code that fits what was asked for.
func asUnknown(err error, code string) error {
	e := *asAPIError(err)
	if e.status == http.StatusNotFound {
		e.code = code
	}
	return &e
}

// isHop reports whether a registry of ours asks.
func isHop(r *http.Request) bool { return r.Header.Get(headerHop) != "" }

func etag(d store.Digest) string { return fmt.Sprintf("%q", string(d)) }
