package imageset

import (
	"crypto/sha256"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A Summer proves a pack's blobs from its byte space, which it gets in order, and makes
// the sums by which a Sink proves them again from segments in any order: one pass of
// SHA-256 for both. The sum of a segment, bytes from a multiple of midstate.BlockSize to
// another, is the state of the blob that goes on past its end, and zero where none does.
//
// With the sum of the segment before it and the pack's list each segment can be verified
// alone: a blob begins in it, or with that sum; and ends in it, with the list's digest,
// or with the segment's own sum.
type Summer struct {
	pack   Pack
	hash   *midstate.Hash
	at     int64 // in the byte space
	isOpen bool  // a blob has begun before at and not ended
	err    error // once there is one, the end
}

// Summer returns a Summer for the pack.
func (p Pack) Summer() *Summer { return &Summer{pack: p, hash: midstate.New()} }

// Write takes the next bytes. The error wraps ErrChanged when a blob ends with them that
// does not have its digest: those after its end are not taken.
func (s *Summer) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if int64(len(p)) > s.pack.size-s.at {
		s.err = fmt.Errorf("%w: more bytes than it has", ErrPack)
		return 0, s.err
	}
	for c := range s.pack.parts(s.at, len(p)) {
		if c.at == 0 {
			s.hash.Reset()
		}
		s.hash.Write(p[c.from:c.to])
		s.isOpen = !c.isLast(s.pack)
		if s.isOpen {
			continue
		}
		want := s.pack.blobs[c.blob].Digest
		sum := s.hash.Sum()
		if got := store.DigestOfSum(sum[:]); got != want {
			s.err = &store.BlobError{Digest: want, Err: fmt.Errorf("%w: it hashes to %s", ErrChanged, got)}
			return c.to, s.err
		}
	}
	s.at += int64(len(p))
	return len(p), nil
}

// Sum returns the sum of a segment that ends with the bytes so far, or is the last one.
func (s *Summer) Sum() [sha256.Size]byte {
	if !s.isOpen {
		return midstate.State{}
	}
	return s.hash.State()
}
