package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A BlobStage takes the bytes of one blob in any order, and hashes them in order: as
// they are written, or by reading them back. As with a BlobWriter, the blob is not in
// the store before Commit returns nil, and each BlobStage ends with one Commit or Abort.
//
// One goroutine may write while another hashes. A byte that was hashed must not be
// written again. Rest is for who writes.
type BlobStage struct {
	mu    sync.Mutex // guards w.file, and w.name's staying there
	ended bool       // guarded by mu: committed or aborted
	w     *BlobWriter
}

// StageBlob begins to write the blob b, whose size must be right.
func (s *Store) StageBlob(b Blob) (*BlobStage, error) {
	w, err := s.NewBlob(b)
	if err != nil {
		return nil, err
	}
	return &BlobStage{w: w}, nil
}

// WriteAt puts bytes in their place.
func (g *BlobStage) WriteAt(p []byte, off int64) (int, error) {
	if size := g.w.blob.Size; off < 0 || off > size || int64(len(p)) > size-off {
		return 0, g.wrap(fmt.Errorf("%w: more than %d bytes", ErrSizeMismatch, size))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.open(); err != nil {
		return 0, g.wrap(err)
	}
	n, err := g.w.s.writeAt(g.w.file, p, off)
	if err != nil {
		err = g.wrap(err)
	}
	return n, err
}

// Hash hashes the blob's bytes until an offset, by way of buf. All of them must have
// been written.
func (g *BlobStage) Hash(to int64, buf []byte) error {
	for g.w.written < min(to, g.w.blob.Size) {
		p := buf[:min(int64(len(buf)), to-g.w.written)]
		if err := g.readBack(p); err != nil {
			return g.wrap(fmt.Errorf("reading back at %d: %w", g.w.written, err))
		}
		g.HashWritten(p)
	}
	return nil
}

// readBack reads what comes next to be hashed.
func (g *BlobStage) readBack(p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	isResting := g.w.file == nil
	if err := g.open(); err != nil {
		return err
	}
	if isResting {
		defer g.rest()
	}
	if n, err := g.w.file.ReadAt(p, g.w.written); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// HashWritten hashes the bytes that come next, and that were just written.
func (g *BlobStage) HashWritten(p []byte) {
	g.w.hash.Write(p)
	g.advance(len(p))
}

// advance notes that so many more bytes were hashed, and has the kernel put them on the
// disk now and then.
func (g *BlobStage) advance(n int) {
	g.w.written += int64(n)
	if g.w.written-g.w.flushed < writebackStep {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w.file != nil { // what it says is said again by fsync
		_ = unix.SyncFileRange(int(g.w.file.Fd()), g.w.flushed, g.w.written-g.w.flushed, unix.SYNC_FILE_RANGE_WRITE)
		g.w.flushed = g.w.written
	}
}

// Rest closes the file until it is needed again: of very many blobs some bytes may
// have come.
func (g *BlobStage) Rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rest()
}

func (g *BlobStage) rest() {
	if g.w.file != nil {
		_ = g.w.file.Close() // fsync at the end tells what could not be written
		g.w.file = nil
	}
}

// open opens the file where it rests.
func (g *BlobStage) open() (err error) {
	if g.ended {
		return os.ErrClosed
	}
	if g.w.file == nil {
		g.w.file, err = g.w.s.staging.OpenFile(g.w.name, os.O_RDWR|unix.O_NOFOLLOW, 0)
	}
	return err
}

// Commit is a BlobWriter's, once all is hashed.
func (g *BlobStage) Commit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.open(); err != nil {
		return errors.Join(g.wrap(err), g.abort())
	}
	g.ended = true
	return g.w.Commit()
}

// Abort throws away what was written. After Commit it does nothing.
func (g *BlobStage) Abort() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.abort()
}

func (g *BlobStage) abort() error {
	if g.ended {
		return nil
	}
	g.ended = true
	g.rest()
	g.w.s.claims.drop(g.w.blob.Digest)
	return g.w.s.staging.Remove(g.w.name)
}

func (g *BlobStage) wrap(err error) error { return &BlobError{g.w.blob.Digest, err} }
