package imageset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A Pack is a list of blobs laid back to back in one byte space: the first at
// offset 0, each at the end of the one before. The zero Pack is empty.
type Pack struct {
	blobs []store.Blob
	size  int64
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
		if b.Size < 0 || b.Size > store.MaxBlobSize || p.size > math.MaxInt64-b.Size || seen[b.Digest] {
			return Pack{}, fmt.Errorf("%w: blob %s of %d bytes", ErrPack, b.Digest, b.Size)
		}
		seen[b.Digest] = true
		p.size += b.Size
	}
	return p, nil
}

// Size returns the length of the byte space.
func (p Pack) Size() int64 { return p.size }

// Blobs returns the blobs in their order. The caller must not change them.
func (p Pack) Blobs() []store.Blob { return p.blobs }

// Reader reads the byte space from the store. Each blob is hashed on the way;
// when it is not what it should be, reading ends with ErrChanged before the
// next blob begins, so that what was sent of it can be declared void.
func (p Pack) Reader(st *store.Store) io.ReadCloser {
	return &packReader{st: st, left: p.blobs, hash: sha256.New()}
}

type packReader struct {
	st   *store.Store
	left []store.Blob // the open one first
	file *os.File     // of left[0], or nil
	n    int64        // bytes of it that were read
	hash hash.Hash
	err  error // once there is one, the end
}

func (r *packReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		if len(r.left) == 0 {
			r.err = io.EOF
			break
		}
		if r.err = r.begin(); r.err != nil {
			break
		}
		n, err := r.read(p)
		r.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// begin opens the next blob.
func (r *packReader) begin() error {
	if r.file != nil {
		return nil
	}
	want := r.left[0]
	f, have, err := r.st.OpenBlob(want.Digest)
	if err != nil {
		return &store.BlobError{Digest: want.Digest, Err: fmt.Errorf("%w: %w", ErrChanged, err)}
	}
	if have.Size != want.Size {
		f.Close()
		return &store.BlobError{Digest: want.Digest, Err: fmt.Errorf("%w: %d bytes, not %d", ErrChanged, have.Size, want.Size)}
	}
	r.file, r.n = f, 0
	r.hash.Reset()
	return nil
}

// read reads from the open blob, and proves it when that was its end.
func (r *packReader) read(p []byte) (int, error) {
	want := r.left[0]
	p = p[:min(int64(len(p)), want.Size-r.n)]
	n := 0
	var err error
	if len(p) > 0 {
		n, err = r.file.Read(p)
	}
	r.hash.Write(p[:n])
	r.n += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: it ends after %d bytes", ErrChanged, r.n)
	case err == nil && r.n == want.Size:
		err = r.end()
	}
	if err != nil {
		return n, &store.BlobError{Digest: want.Digest, Err: err}
	}
	return n, nil
}

func (r *packReader) end() error {
	want := r.left[0]
	r.left = r.left[1:]
	err := r.file.Close()
	r.file = nil
	if got := store.DigestOfSum(r.hash.Sum(nil)); got != want.Digest {
		err = errors.Join(fmt.Errorf("%w: it hashes to %s", ErrChanged, got), err)
	}
	return err
}

// Close ends reading.
func (r *packReader) Close() error {
	if r.err == nil {
		r.err = os.ErrClosed
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
