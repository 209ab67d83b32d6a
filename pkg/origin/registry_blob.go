package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A blobReader reads a blob of a registry, and goes on where it was when the
// connection breaks. Whether the bytes are right is proven by who reads.
type blobReader struct {
	ctx    context.Context //nolint:containedctx // of the Blob call, which the reading is a part of
	origin *registryOrigin
	repo   string
	blob   store.Blob
	body   io.ReadCloser
	at     int64 // 0 <= at <= blob.Size, but for a registry that sends more
	breaks int   // in a row, without a byte between
}

// open asks for the bytes from at on.
func (b *blobReader) open() error {
	res, err := b.origin.do(b.ctx, b.repo, http.MethodGet, "/v2/"+b.repo+"/blobs/"+string(b.blob.Digest), func(req *http.Request) {
		if b.at > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.at))
		}
	})
	if err != nil {
		return err
	}
	if b.at > 0 && res.StatusCode != http.StatusPartialContent {
		// It knows no ranges: what is there already is read again.
		if _, err := io.CopyN(io.Discard, res.Body, b.at); err != nil {
			res.Body.Close()
			return fmt.Errorf("%w: %w", imageset.ErrOrigin, err)
		}
	}
	b.body = res.Body
	return nil
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.at += int64(n)
		if n > 0 {
			b.breaks = 0
			return n, nil
		}
		switch {
		case err == nil:
			continue
		case b.at >= b.blob.Size && errors.Is(err, io.EOF):
			return 0, io.EOF
		case b.ctx.Err() != nil:
			return 0, b.ctx.Err()
		}
		if b.breaks++; b.breaks > maxBreaks {
			return 0, fmt.Errorf("%w: the blob ends after %d of %d bytes: %w", imageset.ErrOrigin, b.at, b.blob.Size, err)
		}
		b.body.Close()
		if err := b.open(); err != nil {
			b.body = io.NopCloser(&failing{err})
			return 0, err
		}
	}
}

// failing is what is left of a body that could not be opened again.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// Close implements io.Closer.
func (b *blobReader) Close() error { return b.body.Close() }
