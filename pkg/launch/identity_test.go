package launch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestIdentityIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "base")
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]bool{}
	for range 8 {
		all.Go(func() {
			id, err := EnsureIdentity(dir)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[id] = true
		})
	}
	all.Wait()
	if len(got) != 1 {
		t.Errorf("identities %v", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

func TestIdentityIsForThisUserAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "identity")
	first, err := EnsureIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	again, err := EnsureIdentity(dir)
	if err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestIdentityIsReplacedWhenItIsNone(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "a b", strings.Repeat("x", 200)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "identity"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := EnsureIdentity(dir); err != nil || !identityPattern.MatchString(id) || id == content {
			t.Errorf("%.10q: %q, %v", content, id, err)
		}
	}
}

func TestIdentityIsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "identity")); err != nil {
		t.Fatal(err)
	}
	if id, err := EnsureIdentity(dir); !errors.Is(err, ErrForeign) {
		t.Errorf("%q, %v; want ErrForeign", id, err)
	}
}

func TestEnginesNoteIsForeign(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}x", `[{"kind":"docker","socket":"relative"}]`, `[{"kind":"other","socket":"/s"}]`} {
		if refs, err := parseEngines([]byte(text), "x"); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %v, %v", text, refs, err)
		}
	}
}
