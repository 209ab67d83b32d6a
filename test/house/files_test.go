package house_test

import (
	"bytes"
	"errors"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is this module's directory, seen from the directory of the test.
const root = "../.."

// maxLines is where a file has become two. Tests tell long stories.
const maxLines = 600

// goFiles calls f for each Go file of the repository.
func goFiles(t *testing.T, f func(path string, content []byte)) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil && path != root && errors.Is(err, fs.ErrNotExist) {
			return nil // somebody at work beside this test has removed it
		}
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() || filepath.Ext(path) != ".go" {
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		count++
		f(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), content)
		return nil
	})
	if err != nil || count == 0 {
		t.Fatalf("looking at the Go files: %d found, %v", count, err)
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	goFiles(t, func(path string, content []byte) {
		lines := bytes.Count(content, []byte("\n"))
		if lines > maxLines && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s has %d lines; more than %d are for two files", path, lines, maxLines)
		}
	})
}

func TestFilesAreFormatted(t *testing.T) {
	goFiles(t, func(path string, content []byte) {
		formatted, err := format.Source(content)
		switch {
		case err != nil:
			t.Errorf("%s: %v", path, err)
		case !bytes.Equal(formatted, content):
			t.Errorf("%s is not as gofmt writes it", path)
		}
	})
}

// TestArchitectureNamesEveryPackage: the document's table is for who looks for the
// place of a change.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table {
		short := strings.TrimPrefix(r.path, "pkg/")
		if !bytes.Contains(text, []byte("`"+r.path+"`")) && !bytes.Contains(text, []byte("`"+short+"`")) {
			t.Errorf("docs/ARCHITECTURE.md does not name %s", r.path)
		}
	}
}
