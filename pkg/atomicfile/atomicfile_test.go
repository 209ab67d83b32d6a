package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriteReplacesWholeWithItsMode(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		content string
		mode    os.FileMode
	}{{"first, and longer", 0o600}, {"second", 0o644}} {
		if err := Write(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		info, serr := os.Stat(path)
		if err = errors.Join(err, serr); err != nil {
			t.Fatal(err)
		}
		if string(raw) != c.content || info.Mode() != c.mode {
			t.Errorf("got %q %v, want %q %v", raw, info.Mode(), c.content, c.mode)
		}
	}
	wantAlone(t, path)
}

func TestWriteLeavesTheOldFileAfterAnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o755); err != nil { // no file can take its place
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o644); err == nil {
		t.Fatal("a directory was replaced")
	}
	wantAlone(t, path)
	err := Write(filepath.Join(dir, "absent", "file"), []byte("new"), 0o644)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "absent") {
		t.Errorf("got %v, want an error that names the directory", err)
	}
}

func TestWriteReplacesASymbolicLinkAndNotItsTarget(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(t.TempDir(), "target"), filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(target, []byte("theirs"), 0o644), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(target); err != nil || string(raw) != "theirs" {
		t.Errorf("the link's target holds %q, %v", raw, err)
	}
	wantAlone(t, path)
}

func TestWriteNewLeavesTheSameContentAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "file")
	if err := WriteNew(path, []byte("same"), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, []byte("same"), 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was replaced, %v", err)
	}
	if err := WriteNew(path, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || os.SameFile(before, after) {
		t.Errorf("it was not replaced, %v", err)
	}
	if err := WriteNew(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v: the old one was kept", info.Mode(), err)
	}
}

func TestTempNameIsNoOnesSuffix(t *testing.T) {
	for _, name := range []string{"zz-daisy-mcast.yml", "daisy-mcast-registry.service", "registries.conf"} {
		temp := TempName(name)
		if temp == TempName(name) || !strings.HasPrefix(temp, ".") || filepath.Ext(temp) != ".tmp" {
			t.Errorf("%q for %q", temp, name)
		}
	}
}

// wantAlone checks that nothing lies beside path.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("%v, %v", entries, err)
	}
}
