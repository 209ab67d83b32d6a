package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnsureIdentity returns what the registry of baseDir answers by, so that a
// stranger on its port is not taken for it. It is made once.
func EnsureIdentity(baseDir string) (string, error) {
	path := filepath.Join(baseDir, "identity")
	b, err := os.ReadFile(path)
	if err == nil && identityPattern.MatchString(strings.TrimSpace(string(b))) {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the registry's identity: %w", err)
	}
	id := rand.Text() + rand.Text()
	if err := writeFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", err
	}
	return id, nil
}
