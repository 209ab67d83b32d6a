package wire

import (
	"crypto/sha256"
	"hash"
)

// rootLabel begins what the root is the digest of, so that it is never the
// digest of a segment.
const rootLabel = "daisy-mcast 1 root\x00"

// A RootHash makes the root of a stream from its segments' digests: the SHA-256
// of the label, the digests in order, and the stream's size as eight bytes.
type RootHash struct{ h hash.Hash }

// NewRootHash returns the hash of a stream without segments.
func NewRootHash() *RootHash {
	h := sha256.New()
	h.Write([]byte(rootLabel))
	return &RootHash{h}
}

// Add adds the digest of the next segment.
func (r *RootHash) Add(d Digest) { r.h.Write(d[:]) }

// Sum returns the root of a stream of size bytes. It is called once, last.
func (r *RootHash) Sum(size uint64) Digest {
	r.h.Write(be.AppendUint64(nil, size))
	return Digest(r.h.Sum(nil))
}
