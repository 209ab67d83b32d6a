package imageset

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// known is what an import did about a blob.
type known uint8

const (
	knownBefore   known = iota // the store had it; the import has claimed it
	knownAdded                 // the store did not have it
	knownReplaced              // the store had it, and it was written anew
)

// know notes a blob of the source.
func (im *importer) know(b store.Blob, how known) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.blobs[b.Digest] = b.Size
	switch how {
	case knownBefore:
		im.claimed = append(im.claimed, b.Digest)
	case knownAdded:
		im.added = append(im.added, b.Digest)
	}
}

// expect tells the progress of bytes to come. Without it, as for a packed bundle,
// the progress is that of the source's own bytes.
func (im *importer) expect(n int64) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.total += n
}

func (im *importer) progressed(n int64) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.total == 0 || im.opts.Progress == nil {
		return
	}
	im.done += n
	im.opts.Progress(im.done, im.total)
}

// has reports whether the store has the blob, as it should be. A small one, which
// may be a manifest that is about to be read, is always hashed; a larger one when its
// file changed since it was last verified. What the store has in another state is
// not had, and so written anew: a damaged blob is repaired before it is served or
// sent.
func (im *importer) has(ctx context.Context, b store.Blob) bool {
	have, err := im.st.Stat(b.Digest)
	if err != nil || have.Size != b.Size {
		return false
	}
	if b.Size <= provenBlob {
		_, err = im.st.ReadBlob(b.Digest, provenBlob)
		return err == nil
	}
	return im.prover().Prove(ctx, b) == nil
}
