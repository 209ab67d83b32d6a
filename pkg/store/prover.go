package store

import (
	"context"
	"fmt"
)

// A Prover says of blobs, one by one, what CheckBlobs says of many. It is safe for
// concurrent use.
type Prover struct {
	s      *Store
	record map[Digest]fileID // as it was when the Prover was made; not written any more
}

// Prover returns a Prover, which reads the record of what was verified once.
func (s *Store) Prover() *Prover {
	record := s.readRecord()
	s.verified.apply(record)
	return &Prover{s, record}
}

// Prove returns nil when b is in the store as it should be. It reads the blob unless
// its file is the one that was last verified. The error wraps fs.ErrNotExist,
// ErrSizeMismatch, ErrDigestMismatch or the system's.
func (p *Prover) Prove(ctx context.Context, b Blob) error {
	isKnown, err := p.knows(b)
	if err != nil || isKnown {
		return err
	}
	return p.s.verifyBlob(ctx, b, nil)
}

// knows reports whether the file that b lies in was verified as it is now. The error
// says that there is no such file, or not of that size.
func (p *Prover) knows(b Blob) (bool, error) {
	if _, err := ParseDigest(string(b.Digest)); err != nil {
		return false, err
	}
	id, err := p.s.identify(b.Digest)
	if err != nil {
		return false, err
	}
	if id.size != b.Size {
		return false, fmt.Errorf("%w: %d bytes, not %d", ErrSizeMismatch, id.size, b.Size)
	}
	if isGood, isNews := p.s.verified.knows(b.Digest, id); isNews {
		return isGood, nil
	}
	was, ok := p.record[b.Digest]
	return ok && was == id, nil
}
