package kolla

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

func rendered(t *testing.T, tag string) []byte {
	t.Helper()
	b, err := Render(DropIn{Namespace: "kolla", Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantFile(t *testing.T, dir string, want []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != FileName {
		t.Fatalf("the directory holds %v (%v), want only the drop-in", entries, err)
	}
	got, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file holds %q (%v)", got, err)
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v (%v), want 0644", info.Mode(), err)
	}
}

func TestR14WriteTellsWhatChanged(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	train, ussuri := rendered(t, "train"), rendered(t, "ussuri")
	steps := []struct {
		do       func() (Change, error)
		action   Action
		previous []byte
		notice   bool
	}{
		{func() (Change, error) { return Plan(dir, train) }, Created, nil, true},
		{func() (Change, error) { return Write(dir, train) }, Created, nil, true},
		{func() (Change, error) { return Write(dir, train) }, Unchanged, train, false},
		{func() (Change, error) { return Plan(dir, ussuri) }, Changed, train, true},
		{func() (Change, error) { return Write(dir, ussuri) }, Changed, train, true},
	}
	for i, step := range steps {
		got, err := step.do()
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if got.Action != step.action || !bytes.Equal(got.Previous, step.previous) || got.Path != filepath.Join(dir, FileName) {
			t.Errorf("step %d: got %+v, want %s", i, got, step.action)
		}
		if notice := got.Notice(); (notice != "") != step.notice || step.notice && !strings.Contains(notice, "recreates every container") {
			t.Errorf("step %d: notice %q", i, notice)
		}
	}
	wantFile(t, dir, ussuri)
}

func TestWriteMendsTheMode(t *testing.T) {
	dir := t.TempDir()
	content := rendered(t, "train")
	if err := os.WriteFile(filepath.Join(dir, FileName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Write(dir, content); err != nil || got.Action != Changed {
		t.Errorf("got %v, %v", got.Action, err)
	}
	wantFile(t, dir, content)
}

func TestR14Remove(t *testing.T) {
	dir := t.TempDir()
	if got, err := Remove(dir); err != nil || got.Action != Unchanged {
		t.Errorf("nothing there: %+v, %v", got, err)
	}
	content := rendered(t, "train")
	if _, err := Write(dir, content); err != nil {
		t.Fatal(err)
	}
	if got, err := PlanRemove(dir); err != nil || got.Action != Removed {
		t.Errorf("plan: %+v, %v", got, err)
	}
	wantFile(t, dir, content)
	got, err := Remove(dir)
	if err != nil || got.Action != Removed || !bytes.Equal(got.Previous, content) || got.Notice() == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestForeignFileStays(t *testing.T) {
	content := rendered(t, "train")
	elsewhere := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(elsewhere, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"another's file": func(path string) error { return os.WriteFile(path, []byte("docker_registry: x\n"), 0o600) },
		"empty file":     func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"symbolic link":  func(path string) error { return os.Symlink(elsewhere, path) },
		"broken link":    func(path string) error { return os.Symlink("/nonexistent/x", path) },
		"directory":      func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":           func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			if _, err := Write(dir, content); !errors.Is(err, ErrForeign) {
				t.Errorf("Write: %v, want ErrForeign", err)
			}
			if _, err := Remove(dir); !errors.Is(err, ErrForeign) {
				t.Errorf("Remove: %v, want ErrForeign", err)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
				t.Errorf("it was touched: %v, %v", after, err)
			}
		})
	}
	if got, err := os.ReadFile(elsewhere); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the link's target was touched: %v", err)
	}
}

func TestWriteRefusesWhatItCouldNotRemove(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, []byte("docker_registry: x\n")); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
}

func TestDirectoryMustExist(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "globals.d")
	if _, err := Write(dir, rendered(t, "train")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Write: %v, want ErrNotExist", err)
	}
	if _, err := Remove(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove: %v, want ErrNotExist", err)
	}
}

// TestR13TemporaryNames stops a write at its rename and looks at what lies
// there: Kolla must not take it for a file of variables.
func TestR13TemporaryNames(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	// A directory with something in it cannot be replaced by a file.
	if err := os.MkdirAll(filepath.Join(dir, FileName, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteIn(root, FileName, rendered(t, "train"), dropInMode); err == nil {
		t.Fatal("a directory was replaced")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the temporary file was left: %v", entries)
	}
	if temp := atomicfile.TempName(FileName); isGlobals(temp) {
		t.Errorf("Kolla would load %s", temp)
	}
}
