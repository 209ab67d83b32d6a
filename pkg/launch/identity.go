package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// maxIdentity bounds the identity's file in bytes.
const maxIdentity = 256

var errNoIdentity = errors.New("no identity in it")

// EnsureIdentity returns what the registry of baseDir answers by, so that a
// stranger on its port is not taken for it. It is made once, in a file for this
// user alone; runs at the same time get the same one. ErrForeign when the file is
// not this user's.
func EnsureIdentity(baseDir string) (string, error) {
	path := filepath.Join(baseDir, "identity")
	id, err := readIdentity(path)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, errNoIdentity):
		if err := os.Remove(path); err != nil {
			return "", fmt.Errorf("replacing the registry's identity: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the registry's identity: %w", err)
	}
	made := filepath.Join(baseDir, "identity."+rand.Text())
	if err := atomicfile.WriteNew(made, []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(made)
	if err := os.Link(made, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keeping the registry's identity: %w", err)
	}
	if id, err = readIdentity(path); err != nil { // perhaps another run's
		return "", fmt.Errorf("reading the registry's identity: %w", err)
	}
	return id, nil
}

// readIdentity returns errNoIdentity for content that is none.
func readIdentity(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return "", fmt.Errorf("%w: %s is a symbolic link", ErrForeign, path)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || ok && int(owner.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%w: %s", ErrForeign, path)
	}
	if info.Mode().Perm() != 0o600 {
		if err := f.Chmod(0o600); err != nil {
			return "", err
		}
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxIdentity))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(raw))
	if !identityPattern.MatchString(id) {
		return "", fmt.Errorf("%w: %s", errNoIdentity, path)
	}
	return id, nil
}
