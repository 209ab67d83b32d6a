package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A lock keeps two runs from changing one registry at the same time. It ends
// with the process that holds it. A nil lock locks nothing.
type lock struct {
	file *os.File
}

const lockPause = 50 * time.Millisecond // between two attempts

// lock waits until no other process changes the registry under s.Name.
func (s Spec) lock(ctx context.Context) (*lock, error) {
	path := filepath.Join(s.runDir(), s.Name+".lock")
	if err := os.MkdirAll(s.runDir(), 0o755); err != nil {
		return nil, fmt.Errorf("locking the registry: %w", err)
	}
	for {
		l, err := tryLock(path)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking the registry: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another run to let go of %s: %w", path, context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

// tryLock returns EWOULDBLOCK when the file is locked, or was removed by the
// one who had it locked.
func tryLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) { // its directory went meanwhile
			return nil, errors.Join(syscall.EWOULDBLOCK, os.MkdirAll(filepath.Dir(path), 0o755))
		}
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && !isAt(f, path) {
		err = syscall.EWOULDBLOCK
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &lock{file: f}, nil
}

// isAt reports whether f is the file at path.
func isAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(have, there)
}

func (l *lock) release() {
	if l != nil {
		l.file.Close()
	}
}

// discard removes the file of a lock that is held, and the directories that are
// empty then.
func (l *lock) discard() {
	if l == nil {
		return
	}
	os.Remove(l.file.Name())
	run := filepath.Dir(l.file.Name())
	os.Remove(run)
	os.Remove(filepath.Join(filepath.Dir(run), logDir))
}
