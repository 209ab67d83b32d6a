package registry

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A sinkError is a fault of the one who receives, not of the content.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "sending: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// relay copies want from r to w and hashes it on the way. The last bytes -
// withheld of them, or all of a smaller blob - reach w only after size and
// digest were proven, so w never gets the whole of anything else. w is written
// to at least once, even for an empty blob. Memory: one buffer of withheld bytes.
func relay(w io.Writer, r io.Reader, want store.Blob) error {
	buf := make([]byte, withheld)
	hash := sha256.New()
	hold := min(want.Size, withheld)
	for left := want.Size - hold; left > 0; {
		n, err := r.Read(buf[:min(left, withheld)])
		hash.Write(buf[:n])
		if _, werr := w.Write(buf[:n]); werr != nil {
			return &sinkError{werr}
		}
		left -= int64(n)
		if err != nil && left > 0 {
			return shortBody(err, want)
		}
	}
	if _, err := io.ReadFull(r, buf[:hold]); err != nil {
		return shortBody(err, want)
	}
	hash.Write(buf[:hold])
	if err := wantEnd(r, want); err != nil {
		return err
	}
	if got := store.DigestOfSum(hash.Sum(nil)); got != want.Digest {
		return fmt.Errorf("%w: %s came for %s", store.ErrDigestMismatch, got, want.Digest)
	}
	if _, err := w.Write(buf[:hold]); err != nil {
		return &sinkError{err}
	}
	return nil
}

// shortBody says how a body ended that ended too early.
func shortBody(err error, want store.Blob) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: less than the %d bytes of %s", store.ErrSizeMismatch, want.Size, want.Digest)
	}
	return fmt.Errorf("reading %s: %w", want.Digest, err)
}

// wantEnd checks that r has no more bytes.
func wantEnd(r io.Reader, want store.Blob) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("%w: more than the %d bytes of %s", store.ErrSizeMismatch, want.Size, want.Digest)
	default:
		return fmt.Errorf("reading the end of %s: %w", want.Digest, err)
	}
}
