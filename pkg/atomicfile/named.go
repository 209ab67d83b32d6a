package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// InPlace opens what stands at a path that somebody gave us for output, if it is to
// be written to and must never be replaced: a device, a pipe, and whatever this
// process has as its standard output or error. It is nil where a regular file
// stands, or none.
func InPlace(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil //nolint:nilerr // who then makes the file tells what is wrong
	}
	if own := ownOutput(info); own != nil {
		return again(own)
	}
	if info.Mode().IsRegular() {
		return nil, nil
	}
	return os.OpenFile(path, os.O_WRONLY, 0)
}

// ownOutput returns the standard output or error of this process if info is of that.
func ownOutput(info os.FileInfo) *os.File {
	for _, own := range []*os.File{os.Stdout, os.Stderr} {
		if ours, err := own.Stat(); err == nil && os.SameFile(info, ours) {
			return own
		}
	}
	return nil
}

// again gives an open file, and its position, a second descriptor: what /dev/stdout
// leads to cannot be opened when it is a socket, and would be from its start when
// it is a file.
func again(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var dupErr error
	err = raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Behind returns the file that a symbolic link at path leads to, or path.
func Behind(path string) string {
	if _, err := os.Stat(path); err != nil { // absent, or a link that the kernel does not follow
		return path
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Put is Write for a path that an operator gave: a symbolic link stays and leads to
// the new content, and what InPlace opens is written to.
func Put(path string, content []byte, mode os.FileMode) error {
	f, err := InPlace(path)
	if err != nil {
		return err
	}
	if f == nil {
		return Write(Behind(path), content, mode)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// CanPut tells why Put could not write to path, as far as that is known before: it opens
// nothing, for a pipe may have no reader yet, and leaves nothing behind.
func CanPut(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil: // absent, or on no way there: its directory tells
	case info.IsDir():
		return &os.PathError{Op: "write", Path: path, Err: unix.EISDIR}
	case !info.Mode().IsRegular() || ownOutput(info) != nil:
		return nil
	}
	dir := filepath.Dir(Behind(path))
	if err := unix.Faccessat(unix.AT_FDCWD, dir+"/.", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "write in", Path: dir, Err: err}
	}
	return nil
}
