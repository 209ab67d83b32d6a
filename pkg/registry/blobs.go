package registry

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// serveBlob answers with a blob by digest.
func (h *handler) serveBlob(w *response, r *http.Request, v *view, rt route) error {
	at, ok, err := h.locate(v, rt.repo, rt.digest)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("BLOB_UNKNOWN", "no such blob in this repository")
	}
	if r.Method == http.MethodGet {
		leave, err := h.enter(r)
		if err != nil {
			return err
		}
		defer leave()
	}
	if at.local {
		return h.sendStored(w, r, at.blob)
	}
	return asUnknownBlob(h.sendUpstream(w, r, rt.repo, at.blob))
}

// setBlobHeader sets what is said of a blob wherever it comes from. What a
// digest names never changes, so caches may keep it for ever.
func setBlobHeader(header http.Header, d store.Digest, source string) {
	header.Set("Content-Type", "application/octet-stream")
	header.Set(headerDigest, string(d))
	header.Set("ETag", etag(d))
	header.Set("Cache-Control", "max-age=31536000")
	header.Set(headerSource, source)
}

// sendStored sends b, or ranges of it, from the disk.
func (h *handler) sendStored(w *response, r *http.Request, b store.Blob) error {
	f, now, err := h.store.OpenBlob(b.Digest)
	if err != nil {
		if isNotExist(err) { // removed since it was located
			return notFound("BLOB_UNKNOWN", "no such blob in this repository")
		}
		return err
	}
	defer f.Close()
	setBlobHeader(w.Header(), now.Digest, SourceStore)
	if err := serveContent(w, r, f); err != nil {
		return err
	}
	if w.fault != nil { // net/http has closed the connection already
		return fmt.Errorf("sending %s: %w", b.Digest, w.fault)
	}
	return nil
}

// sendUpstream passes b on from upstream. Once a byte of it is out, a fault can
// only be shown by cutting the connection.
func (h *handler) sendUpstream(w *response, r *http.Request, repo string, b store.Blob) error {
	if r.Method == http.MethodHead {
		return h.headUpstream(w, r, repo, b)
	}
	body, err := h.fetch(r.Context(), repo, "blobs", b, isHop(r))
	if err != nil {
		return err
	}
	defer body.Close()
	if err := relay(&lateHeader{response: w, blob: b}, body, b); err != nil {
		w.cut = w.wroteHeader()
		return badGateway(err)
	}
	return nil
}

// headUpstream answers HEAD with what upstream can deliver now.
func (h *handler) headUpstream(w *response, r *http.Request, repo string, b store.Blob) error {
	up, err := h.client(isHop(r))
	if err != nil {
		return err
	}
	if err := up.head(r.Context(), repo, "blobs", b); err != nil {
		return badGateway(err)
	}
	(&lateHeader{response: w, blob: b}).announce()
	return nil
}

func asUnknownBlob(err error) error {
	if err == nil {
		return nil
	}
	return asUnknown(err, "BLOB_UNKNOWN")
}

// A lateHeader writes the header of a blob from upstream just before its first
// byte: a fault that shows earlier still gets a proper answer.
type lateHeader struct {
	*response
	blob store.Blob
}

func (l *lateHeader) announce() {
	header := l.Header()
	setBlobHeader(header, l.blob.Digest, SourceUpstream)
	header.Set("Content-Length", strconv.FormatInt(l.blob.Size, 10))
	l.WriteHeader(http.StatusOK)
}

func (l *lateHeader) Write(p []byte) (int, error) {
	if !l.wroteHeader() {
		l.announce()
	}
	return l.response.Write(p)
}
