package imageset

import (
	"errors"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// damage is what blobs of a source are not what their digests say. Reading goes on
// past them: which image needs a blob often shows only behind it.
type damage struct {
	first *RefusedError // nil when there is none
	from  string        // the place of it
	count int
}

// hurt takes an error of a blob that was read to its end. That of a damaged one is
// kept for later, any other one returned.
func (im *importer) hurt(e entry, d store.Digest, err error) error {
	if !errors.Is(err, store.ErrDigestMismatch) {
		return err
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.damage.count++; im.damage.first == nil {
		im.damage.first, im.damage.from = &RefusedError{Entry: printable(e.name), Blob: d, Err: err}, e.from
	}
	return nil
}

// damaged returns the first damaged blob, and an image that needs it where one is
// known; nil when there is no such blob. Nobody reads any more.
func (im *importer) damaged() error {
	refused := im.damage.first
	if refused == nil {
		return nil
	}
	for _, img := range im.tags {
		if im.needs(img.Manifest, refused.Blob, 0) {
			refused.Entry, refused.Image = "", nameOf(img)
			break
		}
	}
	err := error(refused)
	if im.damage.from != "" {
		err = fmt.Errorf("%s: %w", im.damage.from, err)
	}
	if more := im.damage.count - 1; more > 0 {
		err = fmt.Errorf("%w; %d more blobs are damaged", err, more)
	}
	return err
}

// needs reports whether a manifest, or one below it, is d or names d.
func (im *importer) needs(manifest, d store.Digest, depth int) bool {
	if manifest == d {
		return true
	}
	raw, err := im.readBlob(manifest, store.MaxManifest)
	if err != nil || depth > store.MaxIndexDepth {
		return false
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return false
	}
	for _, c := range m.Children() {
		if c.Digest == d || m.IsIndex() && im.needs(c.Digest, d, depth+1) {
			return true
		}
	}
	return false
}
