package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Within runs f on a thread that is inside the host: files, processes in /proc
// and sockets are the host's. f must not start goroutines that rely on it.
func (h *Host) Within(f func() error) error {
	err := onThread(func() error {
		if err := h.ns.enter(); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		return fmt.Errorf("on %s: %w", h.Name(), err)
	}
	return nil
}

// WriteFile writes a file of the host and makes the directories above it.
func (h *Host) WriteFile(path string, data []byte, mode fs.FileMode) error {
	return h.Within(func() error { return writeFile(path, data, mode) })
}

func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // whatever the umask, and where it was there
}

// ReadFile reads a file of the host.
func (h *Host) ReadFile(path string) ([]byte, error) {
	var data []byte
	err := h.Within(func() (err error) {
		data, err = os.ReadFile(path)
		return err
	})
	return data, err
}

// Exists reports whether a path is there in the host.
func (h *Host) Exists(path string) bool {
	return h.Within(func() error { _, err := os.Lstat(path); return err }) == nil
}

// CopyIn copies a file of the machine to the host.
func (h *Host) CopyIn(from, to string, mode fs.FileMode) error {
	src, err := os.Open(from) // before entering: afterwards it is out of sight
	if err != nil {
		return err
	}
	defer src.Close()
	return h.Within(func() error {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(dst, src)
		return errors.Join(err, dst.Close(), os.Chmod(to, mode))
	})
}

// Walk lists the regular files below a directory of the host: path to size.
func (h *Host) Walk(dir string) (map[string]int64, error) {
	files := map[string]int64{}
	err := h.Within(func() error {
		return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				files[path] = info.Size()
			}
			return err
		})
	})
	return files, err
}

// MountDisk puts an empty file system of a size, "24m", on a directory.
func (h *Host) MountDisk(dir, size string) error {
	return h.Within(func() error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return unix.Mount("lab", dir, "tmpfs", 0, "mode=0755,size="+size)
	})
}

// RemountReadOnly makes a file system that MountDisk made read only.
func (h *Host) RemountReadOnly(dir string) error {
	return h.Within(func() error {
		return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	})
}

// fillStep is how much FillDisk takes at a time: others may write meanwhile, and
// who asks for more than there is gets nothing.
const fillStep = 4 << 20

// FillDisk writes a file in dir until the file system is full but for spare
// bytes, or for less where others fill it too.
func (h *Host) FillDisk(dir string, spare int64) error {
	return h.Within(func() error {
		f, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			return err
		}
		return errors.Join(fill(int(f.Fd()), spare), f.Close())
	})
}

func fill(fd int, spare int64) error {
	var st unix.Statfs_t
	for at := int64(0); ; {
		if err := unix.Fstatfs(fd, &st); err != nil {
			return err
		}
		size := min(int64(st.Bavail)*st.Bsize-spare, fillStep)
		if size <= 0 {
			return nil
		}
		switch err := unix.Fallocate(fd, 0, at, size); err {
		case nil:
			at += size
		case unix.ENOSPC, unix.EINTR: // see what is left now
		default:
			return err
		}
	}
}

// findProgram is exec.LookPath with the PATH of a host. It looks in the mount
// namespace of the calling thread.
func findProgram(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range strings.Split(hostPath, ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}
