package collection

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// belongs is all that may lie at the top of the tarball.
var belongs = []string{"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md",
	"changelogs", "meta", "playbooks", "plugins", "roles"}

// The tarball has the collection, whole, and nothing of the Go side.
func TestTarballHoldsTheCollectionAlone(t *testing.T) {
	need(t)
	names := tarred(t, place.tarball)
	for _, name := range names {
		top, _, _ := strings.Cut(name, "/")
		if !slices.Contains(belongs, top) || strings.HasSuffix(name, ".go") || strings.Contains(name, "__pycache__") {
			t.Errorf("%s does not belong into the collection", name)
		}
	}
	for _, dir := range []string{"meta", "playbooks", "plugins", "roles", "changelogs"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".pyc") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if !slices.Contains(names, name) {
				t.Errorf("%s is missing", name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func tarred(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, h.Name)
		}
	}
}
