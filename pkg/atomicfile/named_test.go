package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPutWritesToAPipe: it gets the content, and is there afterwards.
func TestPutWritesToAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		read <- string(raw)
	}()
	if err := Put(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "content" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("it was replaced: %v, %v", info, err)
	}
	wantAlone(t, path)
}

// TestPutLeavesDevices: as root, too. The device has a name of its own, so that a
// mistake costs no /dev/null.
func TestPutLeavesDevices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "null")
	if err := os.Symlink("/dev/null", path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(path+".own", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Log(err) // not root
	} else if err := Put(path+".own", []byte("content"), 0o644); err != nil && !errors.Is(err, os.ErrPermission) { // mounted nodev
		t.Error(err)
	} else if info, err := os.Lstat(path + ".own"); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("it was replaced: %v, %v", info, err)
	}
	if err := Put(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(path); err != nil || to != "/dev/null" {
		t.Errorf("got %q, %v", to, err)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("/dev/null was replaced: %v, %v", info, err)
	}
}

// TestPutGoesOnAfterStandardOutput: a file that this process prints into keeps what
// was printed. (Not parallel: it changes os.Stdout.)
func TestPutGoesOnAfterStandardOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "printed")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer func(own *os.File) { os.Stdout = own }(os.Stdout)
	os.Stdout = f
	_, err = f.WriteString("table\n")
	if err := errors.Join(err, Put(path, []byte("report\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("more\n"); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "table\nreport\nmore\n" {
		t.Errorf("got %q, %v", raw, err)
	}
}

func TestPutKeepsALink(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(t.TempDir(), "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("old, and longer"), 0o644), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := Put(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if to, lerr := os.Readlink(path); err != nil || lerr != nil || to != target || string(raw) != "new" {
		t.Errorf("%q in %q, %v, %v", raw, to, err, lerr)
	}
	wantAlone(t, target)
	wantAlone(t, path)
}

func TestPutMakesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Put(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || info.Size() != 3 {
		t.Errorf("%v, %v", info, err)
	}
	if err := Put(t.TempDir(), nil, 0o600); err == nil {
		t.Error("a directory was written to")
	}
}

func TestCanPut(t *testing.T) {
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	err := errors.Join(os.WriteFile(file, nil, 0o400), unix.Mkfifo(pipe, 0o600), os.Symlink(filepath.Join(dir, "gone", "x"), link))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want error
	}{
		{file, nil},
		{filepath.Join(dir, "new"), nil},
		{pipe, nil},
		{link, nil},
		{"/dev/full", nil},
		{"/dev/stdout", nil},
		{dir, unix.EISDIR},
		{filepath.Join(dir, "gone", "new"), unix.ENOENT},
		{filepath.Join(file, "new"), unix.ENOTDIR},
	} {
		if err := CanPut(tt.path); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.path, err, tt.want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("%v, %v is there afterwards", entries, err)
	}
}
