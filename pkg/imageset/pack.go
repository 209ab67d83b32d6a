package imageset

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A Pack is a list of blobs laid one after the other in one byte space: the first at
// offset 0, each at the next multiple of midstate.BlockSize from the end of the one
// before it. What lies between them is zero. The zero Pack is empty.
//
// So whatever multiple of BlockSize the space is cut at, it is cut between two blocks
// of SHA-256 of the blob that lies there; see Summer.
type Pack struct {
	blobs  []store.Blob
	starts []int64 // of the blobs in the byte space
	size   int64
}

// NewPack makes a pack of blobs, in this order. The list may come from another
// machine. The error wraps ErrPack.
func NewPack(blobs []store.Blob) (Pack, error) {
	if len(blobs) > store.MaxBlobs {
		return Pack{}, fmt.Errorf("%w: %d blobs, at most %d are taken", ErrPack, len(blobs), store.MaxBlobs)
	}
	p := Pack{blobs: slices.Clone(blobs)}
	seen := make(map[store.Digest]bool, len(blobs))
	for _, b := range blobs {
		if _, err := store.ParseDigest(string(b.Digest)); err != nil {
			return Pack{}, fmt.Errorf("%w: %w", ErrPack, err)
		}
		start := p.size + -p.size&(midstate.BlockSize-1)
		if b.Size < 0 || b.Size > store.MaxBlobSize || start > math.MaxInt64-midstate.BlockSize-b.Size || seen[b.Digest] {
			return Pack{}, fmt.Errorf("%w: blob %s of %d bytes", ErrPack, b.Digest, b.Size)
		}
		seen[b.Digest] = true
		p.starts = append(p.starts, start)
		p.size = start + b.Size
	}
	return p, nil
}

// Size returns the length of the byte space.
func (p Pack) Size() int64 { return p.size }

// Content returns how many of the byte space's first n bytes are of blobs.
func (p Pack) Content(n int64) (sum int64) {
	for i, b := range p.blobs {
		sum += min(b.Size, max(n-p.starts[i], 0))
	}
	return sum
}

// Blobs returns the blobs in their order. The caller must not change them.
func (p Pack) Blobs() []store.Blob { return p.blobs }

// A part is what bytes of the byte space have of a blob.
type part struct {
	blob     int   // index in the pack
	at       int64 // in the blob
	from, to int   // in the bytes: from < to
}

// isLast reports whether the blob ends with the part.
func (c part) isLast(p Pack) bool { return c.at+int64(c.to-c.from) == p.blobs[c.blob].Size }

// parts returns the parts in n bytes from an offset on, in order.
func (p Pack) parts(off int64, n int) iter.Seq[part] {
	return func(yield func(part) bool) {
		first := sort.Search(len(p.blobs), func(i int) bool { return p.starts[i]+p.blobs[i].Size > off })
		for i := first; i < len(p.blobs) && p.starts[i] < off+int64(n); i++ {
			at := max(off-p.starts[i], 0)
			from := p.starts[i] + at - off
			to := min(from+p.blobs[i].Size-at, int64(n))
			if from < to && !yield(part{i, at, int(from), int(to)}) {
				return
			}
		}
	}
}
