// Package atomicfile replaces small files in one step: whoever reads, and a
// machine that comes back after a power cut, finds the old bytes or the new ones,
// never a part and never none. [Write] takes a path of ours, [Put] one that an
// operator named, [WriteIn] a name below an [os.Root].
//
// # Limitations
//
// The content is in memory. What is received or hashed on its way to the disk
// (pkg/store, pkg/transfer) has a file of its own until it is whole.
package atomicfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write makes content the file at path, with that mode whatever the umask is.
// The directory must be there. After an error path is as it was, and nothing is
// left beside it; after a kill a file that TempName names may be.
func Write(path string, content []byte, mode os.FileMode) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer root.Close()
	return WriteIn(root, filepath.Base(path), content, mode)
}

// WriteNew is Write, unless path is a file with that content and mode already:
// then nothing changes. It makes the directory.
func WriteNew(path string, content []byte, mode os.FileMode) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode() == mode {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return Write(path, content, mode)
}

// WriteIn is Write of a file that lies in root itself.
func WriteIn(root *os.Root, name string, content []byte, mode os.FileMode) (err error) {
	temp := TempName(name)
	defer func() {
		if err != nil {
			root.Remove(temp)
			err = fmt.Errorf("writing %s: %w", filepath.Join(root.Name(), name), err)
		}
	}()
	if err := stage(root, temp, content, mode); err != nil {
		return err
	}
	if err := root.Rename(temp, name); err != nil {
		return err
	}
	return SyncDir(root)
}

// TempName returns a new name for the file that will be called name once it is
// complete. It is hidden and ends in .tmp: directories such as Kolla's globals.d
// and systemd's are read by suffix, and what a killed process left there must not
// be taken for a file of theirs.
func TempName(name string) string { return "." + name + "." + rand.Text() + ".tmp" }

func stage(root *os.Root, name string, content []byte, mode os.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes what was renamed or removed in root last through a power cut.
func SyncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("syncing %s: %w", root.Name(), err)
	}
	err = errors.Join(d.Sync(), d.Close())
	if err != nil {
		return fmt.Errorf("syncing %s: %w", root.Name(), err)
	}
	return nil
}
