package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stage makes a new file in the staging directory, readable by us alone.
func (s *Store) stage(prefix string) (f *os.File, name string, err error) {
	if err := s.writable(); err != nil {
		return nil, "", err
	}
	name = prefix + "." + rand.Text()
	f, err = s.staging.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("staging: %w", err)
	}
	return f, name, nil
}

// publish gives the staged file name its place in the store. The bytes must be
// on disk already; the directory entry need not be, see sync.
func (s *Store) publish(name, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	s.step("rename " + filepath.Base(path))
	return os.Rename(filepath.Join(s.stagingPath, name), path)
}

// stageBytes stages a small file with the mode that all may read. With sync it
// is on disk when stageBytes returns.
func (s *Store) stageBytes(prefix string, data []byte, sync bool) (name string, err error) {
	f, name, err := s.stage(prefix)
	if err != nil {
		return "", err
	}
	_, err = s.write(f, data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil && sync {
		err = s.fsync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		s.staging.Remove(name)
		return "", err
	}
	return name, nil
}

// replace puts data at path in one step: a reader, or a machine that comes back
// after a power cut, finds the old bytes or the new ones.
func (s *Store) replace(path string, data []byte) error {
	name, err := s.stageBytes(filepath.Base(path), data, true)
	if err != nil {
		return err
	}
	if err := s.publish(name, path); err != nil {
		s.staging.Remove(name)
		return err
	}
	return s.syncDir(filepath.Dir(path))
}

func (s *Store) write(f *os.File, p []byte) (int, error) {
	if s.testOnly.write != nil {
		return s.testOnly.write(f, p)
	}
	return f.Write(p)
}

func (s *Store) writeAt(f *os.File, p []byte, off int64) (int, error) {
	if s.testOnly.write != nil {
		return s.testOnly.write(io.NewOffsetWriter(f, off), p)
	}
	return f.WriteAt(p, off)
}

func (s *Store) read(f *os.File, p []byte) (int, error) {
	if s.testOnly.input != nil {
		return s.testOnly.input(f, p)
	}
	return f.Read(p)
}

func (s *Store) fsync(f *os.File) error {
	if s.testOnly.fsync != nil {
		return s.testOnly.fsync(f)
	}
	return f.Sync()
}

func (s *Store) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.fsync(f)
}

// sync makes every rename that was done so far last. One syncfs takes the place
// of an fsync of each directory: a set has thousands, and each fsync would wait
// for the filesystem's journal. (Before Linux 5.8 syncfs does not report write
// errors; the bytes of blobs do not depend on it, they are fsynced one by one.)
func (s *Store) sync() error {
	f, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncing %s: %w", s.dir, err)
	}
	if s.testOnly.sync != nil {
		s.testOnly.sync()
	}
	return nil
}

// readSmall reads a regular file of at most max bytes.
func readSmall(path string, max int64) ([]byte, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > max {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are taken: %w", path, info.Size(), max, ErrSizeMismatch)
	}
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s: grew beyond %d bytes: %w", path, max, ErrSizeMismatch)
	}
	return data, err
}

// openRegular opens a file that is neither a link nor a device nor a pipe.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
