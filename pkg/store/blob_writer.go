package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
)

// A BlobWriter takes the bytes of one blob, in order, and hashes them on the
// way. The blob is not in the store before Commit returns nil, and claimed from
// the beginning, see Store.Claim. Each BlobWriter ends with one Commit or Abort. It is not safe for concurrent use.
type BlobWriter struct {
	s       *Store
	blob    Blob
	file    *os.File // nil after Commit and Abort
	name    string   // in the staging directory
	hash    *midstate.Hash
	written int64 // 0 <= flushed <= written <= blob.Size
	flushed int64 // the kernel was told to write so far
}

// NewBlob begins to write the blob b. The size must be right: more bytes are
// refused as they come, fewer at Commit.
func (s *Store) NewBlob(b Blob) (*BlobWriter, error) {
	if _, err := ParseDigest(string(b.Digest)); err != nil {
		return nil, err
	}
	if b.Size < 0 || b.Size > MaxBlobSize {
		return nil, &BlobError{b.Digest, fmt.Errorf("%w: %d bytes", ErrSizeMismatch, b.Size)}
	}
	f, name, err := s.stage(b.Digest.Hex())
	if err != nil {
		return nil, &BlobError{b.Digest, err}
	}
	s.claims.add(b.Digest) // a GC that runs now may take an older copy; Commit brings ours
	w := &BlobWriter{s: s, blob: b, file: f, name: name, hash: midstate.New()}
	if err := w.reserve(); err != nil {
		return nil, &BlobError{b.Digest, errors.Join(fmt.Errorf("reserving %d bytes: %w", b.Size, err), w.Abort())}
	}
	return w, nil
}

// reserve asks for the blob's space at once, so that a full disk shows before
// bytes are fetched for it. Filesystems that cannot do that are fine.
func (w *BlobWriter) reserve() error {
	if w.blob.Size < writebackStep {
		return nil
	}
	// Asked for more than there is, ext4 takes all there is before it says no, and
	// everybody else on the disk fails meanwhile.
	var fs unix.Statfs_t
	statErr := unix.Fstatfs(int(w.file.Fd()), &fs)
	if statErr == nil && int64(fs.Bavail) < w.blob.Size/fs.Bsize {
		return unix.ENOSPC
	}
	if statErr == nil && fs.Type == unix.TMPFS_MAGIC {
		return nil // it would fill every page with zeros first
	}
	err := unix.Fallocate(int(w.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, w.blob.Size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return err
	}
	return nil
}

// Blob returns what is being written.
func (w *BlobWriter) Blob() Blob { return w.blob }

// Write takes the next bytes of the blob.
func (w *BlobWriter) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, &BlobError{w.blob.Digest, os.ErrClosed}
	}
	if int64(len(p)) > w.blob.Size-w.written {
		return 0, &BlobError{w.blob.Digest, fmt.Errorf("%w: more than %d bytes", ErrSizeMismatch, w.blob.Size)}
	}
	n, err := w.s.write(w.file, p)
	w.hash.Write(p[:n])
	w.written += int64(n)
	if err != nil {
		return n, &BlobError{w.blob.Digest, err}
	}
	if w.written-w.flushed >= writebackStep {
		// Begins the disk's work early; what it says is said again by fsync.
		_ = unix.SyncFileRange(int(w.file.Fd()), w.flushed, w.written-w.flushed, unix.SYNC_FILE_RANGE_WRITE)
		w.flushed = w.written
	}
	return n, nil
}

// Commit checks size and digest, puts the bytes on disk and gives the blob its
// name. A blob that was there already is replaced by the same, proven bytes.
// The name itself survives a power cut only after Activate; until then the blob
// is at worst missing again. After an error nothing of the blob is left. Errors
// wrap ErrSizeMismatch, ErrDigestMismatch or the system's.
func (w *BlobWriter) Commit() error {
	if w.file == nil {
		return &BlobError{w.blob.Digest, os.ErrClosed}
	}
	if err := w.verify(); err != nil {
		return &BlobError{w.blob.Digest, errors.Join(err, w.Abort())}
	}
	return w.finish()
}

// finish commits a blob that was verified.
func (w *BlobWriter) finish() error {
	w.s.step("blob written")
	written, err := w.close()
	if err == nil {
		err = w.publish(written)
	}
	if err != nil {
		w.s.claims.drop(w.blob.Digest)
		return &BlobError{w.blob.Digest, errors.Join(err, w.s.staging.Remove(w.name))}
	}
	w.s.step("blob committed")
	return nil
}

// publish gives the blob its name, not while GC looks for names to remove.
func (w *BlobWriter) publish(written os.FileInfo) error {
	w.s.claims.gc.RLock()
	defer w.s.claims.gc.RUnlock()
	return w.s.publishBlob(w.name, w.blob.Digest, written)
}

func (w *BlobWriter) verify() error {
	if w.written != w.blob.Size {
		return fmt.Errorf("%w: %d bytes, not %d", ErrSizeMismatch, w.written, w.blob.Size)
	}
	sum := w.hash.Sum()
	if got := DigestOfSum(sum[:]); got != w.blob.Digest {
		return fmt.Errorf("%w: it hashes to %s", ErrDigestMismatch, got)
	}
	return nil
}

// close makes the file readable to all, puts it on disk, describes and closes it. One
// that somebody has cut off or made longer meanwhile is not the blob.
func (w *BlobWriter) close() (written os.FileInfo, err error) {
	f := w.file
	w.file = nil
	err = f.Chmod(0o644)
	if err == nil {
		err = w.s.fsync(f)
	}
	if err == nil {
		written, err = f.Stat()
	}
	if err == nil && written.Size() != w.blob.Size {
		err = fmt.Errorf("%w: %d bytes on the disk, not %d", ErrSizeMismatch, written.Size(), w.blob.Size)
	}
	return written, errors.Join(err, f.Close())
}

// Abort throws away what was written. After Commit it does nothing.
func (w *BlobWriter) Abort() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	w.s.claims.drop(w.blob.Digest)
	return errors.Join(f.Close(), w.s.staging.Remove(w.name))
}
