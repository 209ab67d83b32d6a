package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Config says where a store lies.
type Config struct {
	// Dir is the root of the store: registry:2's root directory.
	Dir string
	// Staging is where blobs are written before they get their name. Default:
	// <Dir>/daisy-mcast/staging. It must be on the same filesystem as Dir, and
	// is ours alone: files found in it are removed.
	Staging string
}

// A Store is a registry:2 directory and what daisy-mcast keeps beside it. It is
// safe for concurrent use, by several processes too: writers hold a shared lock
// on it, GC an exclusive one, readers none. What one Store's goroutines bring in
// beside its GC is claimed, see Claim.
type Store struct {
	dir         string
	stagingPath string
	staging     *os.Root // nil when opened for reading
	lock        *os.File // nil when opened for reading
	current     atomic.Pointer[currentSet]
	claims      claims
	verified    verified

	testOnly hooks
}

// hooks let tests see the disk between two steps and make system calls fail.
type hooks struct {
	step  func(name string)
	read  func(path string) error              // of a link
	write func(io.Writer, []byte) (int, error) // to a file, or to a place in one
	input func(*os.File, []byte) (int, error)  // reading a blob to hash it
	fsync func(*os.File) error
	sync  func() // beside syncfs
}

// Create makes the directories of a store where they are absent, and opens it
// for writing. What a process that was killed left in the staging directory is
// removed, unless another process is writing right now. A staging directory
// that is a symlink or another user's is refused with ErrUnsafe.
func Create(cfg Config) (*Store, error) {
	s := &Store{dir: cfg.Dir, stagingPath: cfg.Staging}
	if s.stagingPath == "" {
		s.stagingPath = filepath.Join(cfg.Dir, ownDir, "staging")
	}
	for _, d := range []string{s.blobsDir(), s.repositoriesDir(), s.setsDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("making store: %w", err)
		}
	}
	if err := s.openStaging(); err != nil {
		return nil, err
	}
	if err := s.lockAndClean(); err != nil {
		s.staging.Close()
		return nil, err
	}
	return s, nil
}

// Open opens a store for reading. A store that is missing or empty is fine: it
// has no set and no blobs, until somebody makes them.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, fmt.Errorf("opening store: %w", fs.ErrInvalid)
	}
	return &Store{dir: dir}, nil
}

// Close releases the lock of a store made by Create. Blobs that are still being
// written must be committed or aborted before.
func (s *Store) Close() error {
	if s.staging == nil {
		return nil
	}
	return errors.Join(s.staging.Close(), s.lock.Close())
}

// Dir returns the root of the store.
func (s *Store) Dir() string { return s.dir }

// openStaging makes the staging directory, proves that it is a real directory
// of ours on the store's filesystem, and keeps it open.
func (s *Store) openStaging() error {
	if err := os.MkdirAll(s.stagingPath, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making staging directory: %w", err)
	}
	if err := s.checkStaging(); err != nil {
		return err
	}
	root, err := os.OpenRoot(s.stagingPath)
	if err != nil {
		return fmt.Errorf("opening staging directory: %w", err)
	}
	s.staging = root
	return nil
}

func (s *Store) checkStaging() error {
	info, err := os.Lstat(s.stagingPath)
	if err != nil {
		return fmt.Errorf("opening staging directory: %w", err)
	}
	store, err := os.Stat(s.dir)
	if err != nil {
		return fmt.Errorf("opening store: %w", err)
	}
	switch st := info.Sys().(*syscall.Stat_t); {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link", ErrUnsafe, s.stagingPath)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrUnsafe, s.stagingPath)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s belongs to user %d", ErrUnsafe, s.stagingPath, st.Uid)
	case st.Dev != store.Sys().(*syscall.Stat_t).Dev:
		return fmt.Errorf("%w: %s is on another filesystem than %s", ErrUnsafe, s.stagingPath, s.dir)
	}
	if info.Mode().Perm() == 0o700 {
		return nil
	}
	if err := os.Chmod(s.stagingPath, 0o700); err != nil {
		return fmt.Errorf("closing staging directory to others: %w", err)
	}
	return nil
}

// lockAndClean takes the shared lock. On the way there it tries for the
// exclusive one: who gets it is alone, and what lies in staging is left over.
func (s *Store) lockAndClean() error {
	f, err := os.OpenFile(s.lockPath(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return fmt.Errorf("locking store: %w", err)
	}
	s.lock = f
	if s.flock(unix.LOCK_EX|unix.LOCK_NB) == nil {
		err = s.removeLeftOvers()
	}
	if err == nil {
		err = s.flock(unix.LOCK_SH)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("locking store: %w", err)
	}
	return nil
}

func (s *Store) flock(how int) error {
	for {
		err := unix.Flock(int(s.lock.Fd()), how)
		if err != unix.EINTR {
			return err
		}
	}
}

func (s *Store) removeLeftOvers() error {
	names, err := fs.ReadDir(s.staging.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range names {
		if err := s.staging.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writable() error {
	if s.staging == nil {
		return fmt.Errorf("%w: %s", ErrReadOnly, s.dir)
	}
	return nil
}

func (s *Store) step(name string) {
	if s.testOnly.step != nil {
		s.testOnly.step(name)
	}
}
