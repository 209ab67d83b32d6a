package imageset

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A PackAt reads a pack's byte space from a store, at any place. What it reads is not
// proven to be the blobs; a blob of another size is ErrChanged. It keeps the last blob
// open, and is safe for concurrent use.
type PackAt struct {
	pack Pack
	st   *store.Store

	mu   sync.Mutex
	file *os.File // of blob open, or nil
	open int
}

// At returns what reads the byte space from st at any place.
func (p Pack) At(st *store.Store) *PackAt { return &PackAt{pack: p, st: st} }

// ReadAt implements io.ReaderAt.
func (a *PackAt) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: offset %d", ErrPack, off)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	whole := int(min(int64(len(p)), max(a.pack.size-off, 0)))
	for c := range a.pack.parts(off, whole) {
		clear(p[n:c.from])
		if err := a.read(p[c.from:c.to], c); err != nil {
			return c.from, &store.BlobError{Digest: a.pack.blobs[c.blob].Digest, Err: err}
		}
		n = c.to
	}
	clear(p[n:whole])
	if whole < len(p) {
		err = io.EOF
	}
	return whole, err
}

// read reads a part.
func (a *PackAt) read(p []byte, c part) error {
	if err := a.use(c.blob); err != nil {
		return err
	}
	switch n, err := a.file.ReadAt(p, c.at); {
	case n == len(p):
		return nil
	case err == io.EOF:
		return fmt.Errorf("%w: it ends after %d bytes", ErrChanged, c.at+int64(n))
	default:
		return err
	}
}

// use opens a blob.
func (a *PackAt) use(i int) error {
	if a.file != nil && a.open == i {
		return nil
	}
	want := a.pack.blobs[i]
	f, have, err := a.st.OpenBlob(want.Digest)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if have.Size != want.Size {
		f.Close()
		return fmt.Errorf("%w: %d bytes, not %d", ErrChanged, have.Size, want.Size)
	}
	if a.file != nil {
		a.file.Close()
	}
	a.file, a.open = f, i
	return nil
}

// Close ends reading.
func (a *PackAt) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// Reader reads the byte space from the store. Each blob is hashed on the way;
// when it is not what it should be, reading ends with ErrChanged before the
// next blob begins, so that what was sent of it can be declared void.
func (p Pack) Reader(st *store.Store) io.ReadCloser {
	at := p.At(st)
	return &packReader{in: io.NewSectionReader(at, 0, p.size), at: at, sums: p.Summer()}
}

type packReader struct {
	in   io.Reader
	at   *PackAt
	sums *Summer
	err  error // once there is one, the end
}

func (r *packReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.in.Read(p)
	n, bad := r.sums.Write(p[:n])
	if bad != nil {
		err = bad
	}
	r.err = err
	return n, err
}

// Close ends reading.
func (r *packReader) Close() error {
	if r.err == nil {
		r.err = os.ErrClosed
	}
	return r.at.Close()
}
