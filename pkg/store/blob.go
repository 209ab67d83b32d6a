package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Stat returns the blob d and its size on disk. The error wraps fs.ErrNotExist
// when the store does not hold it.
func (s *Store) Stat(d Digest) (Blob, error) {
	if _, err := ParseDigest(string(d)); err != nil {
		return Blob{}, err
	}
	info, err := os.Lstat(s.blobPath(d))
	if err != nil {
		return Blob{}, err
	}
	if !info.Mode().IsRegular() {
		return Blob{}, &BlobError{d, fs.ErrInvalid}
	}
	return Blob{d, info.Size()}, nil
}

// OpenBlob opens the blob d for reading. The caller closes the file. The bytes
// are not verified here.
func (s *Store) OpenBlob(d Digest) (*os.File, Blob, error) {
	if _, err := ParseDigest(string(d)); err != nil {
		return nil, Blob{}, err
	}
	f, info, err := openRegular(s.blobPath(d))
	if err != nil {
		return nil, Blob{}, err
	}
	return f, Blob{d, info.Size()}, nil
}

// ReadBlob returns the blob d, at most max bytes of it, and verifies it: a
// manifest decides what runs as root, and hashing one costs microseconds.
// Errors wrap ErrSizeMismatch, ErrDigestMismatch or fs.ErrNotExist.
func (s *Store) ReadBlob(d Digest, max int64) ([]byte, error) {
	if _, err := ParseDigest(string(d)); err != nil {
		return nil, err
	}
	data, err := readSmall(s.blobPath(d), max)
	if err != nil {
		return nil, &BlobError{d, err}
	}
	if DigestOf(data) != d {
		return nil, &BlobError{d, ErrDigestMismatch}
	}
	return data, nil
}

// Missing returns the indexes into set.Blobs of those that the store lacks or
// has in another size. It looks at directory entries only.
func (s *Store) Missing(set *Set) []int {
	var missing []int
	for i, b := range set.Blobs {
		if have, err := s.Stat(b.Digest); err != nil || have.Size != b.Size {
			missing = append(missing, i)
		}
	}
	return missing
}

// RemoveBlob removes the blob d, so that it counts as missing. A blob that is
// not there is fine.
func (s *Store) RemoveBlob(d Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	if _, err := ParseDigest(string(d)); err != nil {
		return err
	}
	s.claims.forget(d)
	s.verified.forget(d)
	path := s.blobPath(d)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing blob: %w", err)
	}
	os.Remove(filepath.Dir(path))
	return nil
}

// verifyBlob reads b whole, and keeps what it found for the record. read, which may be
// nil, is told of each part that was read.
func (s *Store) verifyBlob(ctx context.Context, b Blob, read func(n int)) error {
	if _, err := ParseDigest(string(b.Digest)); err != nil {
		return err
	}
	f, before, err := openRegular(s.blobPath(b.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	err = s.hashBlob(ctx, f, before.Size(), b, read)
	s.judge(b.Digest, before, f, err)
	return err
}

func (s *Store) hashBlob(ctx context.Context, f *os.File, have int64, b Blob, read func(n int)) error {
	if have != b.Size {
		return fmt.Errorf("%w: %d bytes, not %d", ErrSizeMismatch, have, b.Size)
	}
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		n, err := s.read(f, buf)
		h.Write(buf[:n])
		if read != nil {
			read(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
	if DigestOfSum(h.Sum(nil)) != b.Digest {
		return ErrDigestMismatch
	}
	return nil
}
