package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
)

// A BlobStage takes the bytes of one blob and hashes each of them once, in one of two
// ways. WriteProven takes pieces in any order, each with the state of SHA-256 before
// and after it. With WriteAt and HashWritten the blob is hashed in order; one goroutine
// may write while another hashes, and a byte that was hashed must not be written again.
//
// As with a BlobWriter, the blob is not in the store before Commit returns nil, and each
// BlobStage ends with one Commit or Abort. Rest is for who writes.
//
// Bytes are hashed as they were handed over, not as they lie on the disk: that they come
// to lie there is what fsync tells. Should the file look at any time as if somebody else
// wrote to it, then Commit reads it back as well.
type BlobStage struct {
	mu        sync.Mutex // guards all below, w.file, and w.name's staying there
	ended     bool       // committed or aborted
	chain     chain      // of WriteProven
	unflushed int64      // of its bytes: the kernel was not told to write them
	left      fileState  // as our last write left the file
	isTouched bool       // somebody else may have written to it
	w         *BlobWriter
}

// A fileState tells whether a file is the one that it was, as far as the clock of its
// filesystem ticks.
type fileState struct {
	inode uint64
	mtime syscall.Timespec
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
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.put(p, off)
}

// WriteProven takes a piece of the blob, which has to lead from one state to another:
// the state before the blob's first byte is known, and that after its last one is its
// digest. Pieces begin at multiples of midstate.BlockSize. What is there already is
// passed over. The error wraps ErrDigestMismatch when the piece is not what it has to
// be; nothing of it was written then.
func (g *BlobStage) WriteProven(p []byte, off int64, before, after midstate.State) error {
	size := g.w.blob.Size
	end := off + int64(len(p))
	if off < 0 || off > size || end > size || off%midstate.BlockSize != 0 || end < size && end%midstate.BlockSize != 0 {
		return g.wrap(fmt.Errorf("%w: bytes %d to %d of %d", ErrSizeMismatch, off, end, size))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w.written > 0 {
		panic("store: a piece of a blob that is hashed in order")
	}
	piece := span{off, end, before, after}
	if len(p) == 0 || g.chain.has(piece) {
		return nil
	}
	with, err := g.chain.with(piece)
	if err != nil {
		return g.wrap(err)
	}
	if !g.proves(p, piece) {
		return g.wrap(fmt.Errorf("%w: bytes %d to %d", ErrDigestMismatch, off, end))
	}
	if _, err := g.put(p, off); err != nil {
		return err
	}
	g.chain = with
	g.flush(int64(len(p)))
	return nil
}

// proves hashes p, the bytes of a piece, and reports whether they are what it says.
func (g *BlobStage) proves(p []byte, piece span) bool {
	h := g.w.hash
	h.Resume(piece.from, piece.before)
	h.Write(p)
	if piece.to < g.w.blob.Size {
		return h.State() == piece.after
	}
	sum := h.Sum()
	return DigestOfSum(sum[:]) == g.w.blob.Digest
}

// IsProven reports whether all of the blob came by WriteProven.
func (g *BlobStage) IsProven() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chain.size() == g.w.blob.Size
}

// put writes bytes to their place. g.mu is held.
func (g *BlobStage) put(p []byte, off int64) (int, error) {
	if size := g.w.blob.Size; off < 0 || off > size || int64(len(p)) > size-off {
		return 0, g.wrap(fmt.Errorf("%w: more than %d bytes", ErrSizeMismatch, size))
	}
	if err := g.open(); err != nil {
		return 0, g.wrap(err)
	}
	g.look()
	n, err := g.w.s.writeAt(g.w.file, p, off)
	g.left = g.state()
	if err != nil {
		err = g.wrap(err)
	}
	return n, err
}

// look notes whether the file is another than our last write left.
func (g *BlobStage) look() {
	if g.left != (fileState{}) && g.state() != g.left {
		g.isTouched = true
	}
}

// state returns the open file's. One that cannot be told is that of no file.
func (g *BlobStage) state() fileState {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(g.w.file.Fd()), &st); err != nil {
		return fileState{}
	}
	return fileState{st.Ino, st.Mtim}
}

// flush has the kernel put the bytes of pieces on the disk now and then. What it says is
// said again by fsync.
func (g *BlobStage) flush(more int64) {
	if g.unflushed += more; g.unflushed >= writebackStep {
		_ = unix.SyncFileRange(int(g.w.file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // 0: to its end
		g.unflushed = 0
	}
}

// HashWritten hashes the bytes that come next, and that were just written.
func (g *BlobStage) HashWritten(p []byte) {
	g.w.hash.Write(p)
	g.w.written += int64(len(p))
	if g.w.written-g.w.flushed < writebackStep {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w.file != nil {
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

// Commit is a BlobWriter's, once all is there and hashed.
func (g *BlobStage) Commit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.open(); err != nil {
		return errors.Join(g.wrap(err), g.abort())
	}
	if err := g.verify(); err != nil {
		return errors.Join(g.wrap(err), g.abort())
	}
	g.ended = true
	return g.w.finish()
}

// verify proves the blob, by what is known of its bytes, and if that is not enough by
// reading it back.
func (g *BlobStage) verify() error {
	size := g.w.blob.Size
	switch have := g.chain.size(); {
	case have == 0:
		if err := g.w.verify(); err != nil {
			return err
		}
	case have != size:
		return fmt.Errorf("%w: %d bytes, not %d", ErrSizeMismatch, have, size)
	}
	if g.look(); !g.isTouched {
		return nil
	}
	info, err := g.w.file.Stat()
	if err != nil {
		return err
	}
	return g.w.s.hashBlob(context.Background(), g.w.file, info.Size(), g.w.blob, nil)
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
