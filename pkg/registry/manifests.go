package registry

import (
	"bytes"
	"net/http"
)

// serveManifest answers with a manifest by tag or by digest, under the media
// type that it has, whatever the client would accept: its digest allows no
// other form.
func (h *handler) serveManifest(w *response, r *http.Request, v *view, rt route) error {
	leave, err := h.enter(r)
	if err != nil {
		return err
	}
	defer leave()
	d := rt.digest
	if rt.tag != "" {
		if d, err = h.resolve(v, rt.repo, rt.tag); err != nil {
			return err
		}
	}
	// Of one that is only upstream, HEAD reads the whole too: its media type is
	// known from its bytes alone, and HEAD must not promise what GET cannot keep.
	m, err := h.readManifest(r.Context(), v, rt.repo, d, isHop(r))
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", m.parsed.MediaType)
	header.Set(headerDigest, string(d))
	header.Set("ETag", etag(d))
	header.Set(headerSource, m.source)
	return serveContent(w, r, bytes.NewReader(m.raw))
}
