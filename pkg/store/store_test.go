package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenOfNothingIsEmpty(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "absent"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Current(); !errors.Is(err, ErrNoSet) {
		t.Errorf("current: %v", err)
	}
	if sets, err := s.Sets(); err != nil || sets == nil || len(sets) != 0 {
		t.Errorf("sets: %v, %v", sets, err)
	}
	if repos, err := s.Repositories(); err != nil || len(repos) != 0 {
		t.Errorf("repositories: %v, %v", repos, err)
	}
	if _, err := s.Stat(d1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("blob: %v", err)
	}
	if _, err := s.ResolveTag("a", "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tag: %v", err)
	}
	set, _ := fakeSet(t, "one")
	if n := len(s.Missing(set)); n != len(set.Blobs) {
		t.Errorf("%d of %d blobs are missing", n, len(set.Blobs))
	}
	if _, err := Open(""); err == nil {
		t.Error("a store without a place was opened")
	}
}

func TestOpenedForReadingRefusesToWrite(t *testing.T) {
	w := newTestStore(t)
	set := activate(t, w, "one")
	s, err := Open(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	_, newBlob := s.NewBlob(Blob{d1, 1})
	_, gc := s.GC(1)
	for name, err := range map[string]error{
		"NewBlob": newBlob, "GC": gc, "PutSet": s.PutSet(set), "Activate": s.Activate(set.ID),
		"Lean": s.Lean(set.ID), "RemoveBlob": s.RemoveBlob(set.Blobs[0].Digest),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FAULTS 25: a staging directory that is not what it should be is refused.
func TestFault25StagingMustBeOurs(t *testing.T) {
	t.Run("symlink", func(t *testing.T) {
		dir := t.TempDir()
		elsewhere := t.TempDir()
		keep := filepath.Join(elsewhere, "keep")
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, ownDir), 0o755), os.WriteFile(keep, nil, 0o644),
			os.Symlink(elsewhere, filepath.Join(dir, ownDir, "staging"))); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(Config{Dir: dir}); !errors.Is(err, ErrUnsafe) {
			t.Errorf("got %v", err)
		}
		mustExist(t, keep, true)
	})
	t.Run("file", func(t *testing.T) {
		dir := t.TempDir()
		staging := filepath.Join(dir, "staging")
		if err := os.WriteFile(staging, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(Config{Dir: dir, Staging: staging}); err == nil {
			t.Error("a file was taken as the staging directory")
		}
	})
	t.Run("owner", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a directory away")
		}
		staging := t.TempDir()
		if err := os.Chown(staging, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(Config{Dir: t.TempDir(), Staging: staging}); !errors.Is(err, ErrUnsafe) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("filesystem", func(t *testing.T) {
		const shm = "/dev/shm"
		if _, err := os.Stat(shm); err != nil {
			t.Skip("no second filesystem here")
		}
		staging, err := os.MkdirTemp(shm, "daisy-mcast-test-")
		if err != nil {
			t.Skip("no second filesystem here: ", err)
		}
		defer os.RemoveAll(staging)
		dir := t.TempDir()
		if sameDevice(t, dir, staging) {
			t.Skip("tests lie on the second filesystem")
		}
		if _, err := Create(Config{Dir: dir, Staging: staging}); !errors.Is(err, ErrUnsafe) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("mode", func(t *testing.T) {
		staging := t.TempDir()
		if err := os.Chmod(staging, 0o777); err != nil {
			t.Fatal(err)
		}
		s, err := Create(Config{Dir: t.TempDir(), Staging: staging})
		if err != nil {
			t.Skip("another filesystem: ", err)
		}
		defer s.Close()
		if info, err := os.Stat(staging); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode is %v, %v", info.Mode(), err)
		}
	})
}

func TestCreateRemovesWhatAKilledWriterLeft(t *testing.T) {
	dir := t.TempDir()
	first, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w, err := first.NewBlob(Blob{DigestOf([]byte("ab")), 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	// While the first writer lives its files are not left over.
	second, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(staged(t, second)); n != 1 {
		t.Errorf("%d files staged, want the first writer's", n)
	}
	if err := errors.Join(second.Close(), first.Close()); err != nil { // as the kernel does for who is killed
		t.Fatal(err)
	}
	third, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if left := staged(t, third); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := third.Stat(w.Blob().Digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a blob is in the store: %v", err)
	}
}

// FAULTS 21.
func TestFault21ReadOnlyFilesystem(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), nil, 0o644); err != nil { // root ignores modes
		t.Fatal(err)
	}
	if _, err := Create(Config{Dir: dir}); err == nil {
		t.Error("a store that cannot be written was made")
	}
}

func sameDevice(t *testing.T, a, b string) bool {
	t.Helper()
	s := &Store{dir: a, stagingPath: b}
	return s.checkStaging() == nil
}
