package agent

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A source is what a carrier sends: a pack, read once in order with its blobs'
// digests checked, and any part of it again.
type source struct {
	io.Reader
	again io.ReaderAt
	size  int64
}

// packAt reads a pack at any place. It keeps the last blob open, and is safe for
// concurrent use.
type packAt struct {
	st    *store.Store
	blobs []store.Blob
	ends  []int64 // of the blobs in the pack

	mu   sync.Mutex
	file *os.File // of blob open, or nil
	open int
}

func newPackAt(p imageset.Pack, st *store.Store) *packAt {
	a := &packAt{st: st, blobs: p.Blobs()}
	end := int64(0)
	for _, b := range a.blobs {
		end += b.Size
		a.ends = append(a.ends, end)
	}
	return a
}

// ReadAt implements io.ReaderAt.
func (a *packAt) ReadAt(p []byte, off int64) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n < len(p) {
		i, isEnd := slices.BinarySearch(a.ends, off)
		for isEnd && i < len(a.ends) && a.ends[i] <= off {
			i++ // blobs end before off, of which some may be empty
		}
		if i == len(a.ends) {
			return n, io.EOF
		}
		if err := a.use(i); err != nil {
			return n, err
		}
		start := a.ends[i] - a.blobs[i].Size
		m, err := a.file.ReadAt(p[n:min(len(p), n+int(a.ends[i]-off))], off-start)
		n, off = n+m, off+int64(m)
		if err != nil {
			return n, fmt.Errorf("reading blob %s again: %w", a.blobs[i].Digest, err)
		}
	}
	return n, nil
}

// use opens blob i.
func (a *packAt) use(i int) error {
	if a.file != nil && a.open == i {
		return nil
	}
	f, _, err := a.st.OpenBlob(a.blobs[i].Digest)
	if err != nil {
		return &store.BlobError{Digest: a.blobs[i].Digest, Err: fmt.Errorf("%w: %w", imageset.ErrChanged, err)}
	}
	if a.file != nil {
		a.file.Close()
	}
	a.file, a.open = f, i
	return nil
}

// Close ends reading.
func (a *packAt) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}
