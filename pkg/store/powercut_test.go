package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A lazyDisk knows which files' bytes a power cut leaves: those that were fsynced,
// and all that were there at the last syncfs. Names last, bytes do not: the worst
// that a journal of names alone does (LazyFS, ext4 without delayed allocation's
// safety net).
type lazyDisk struct {
	t       *testing.T
	root    string
	durable map[uint64]bool // by inode
}

func newLazyDisk(t *testing.T, s *Store) *lazyDisk {
	d := &lazyDisk{t: t, root: s.Dir(), durable: make(map[uint64]bool)}
	d.syncfs()
	s.testOnly.fsync = func(f *os.File) error {
		info, err := f.Stat()
		if err == nil {
			d.durable[inode(info)] = true
		}
		return errors.Join(err, f.Sync())
	}
	s.testOnly.sync = d.syncfs
	return d
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// files calls f for every regular file.
func (d *lazyDisk) files(f func(path string, info fs.FileInfo) error) {
	d.t.Helper()
	err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return f(path, info)
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *lazyDisk) syncfs() {
	d.files(func(_ string, info fs.FileInfo) error {
		d.durable[inode(info)] = true
		return nil
	})
}

// cut copies what is on the disk after a power cut now to dir: files that were
// not synced have their size, and zeros.
func (d *lazyDisk) cut(dir string) (lost int) {
	d.t.Helper()
	if err := os.CopyFS(dir, os.DirFS(d.root)); err != nil {
		d.t.Fatal(err)
	}
	d.files(func(path string, info fs.FileInfo) error {
		if d.durable[inode(info)] {
			return nil
		}
		lost++
		rel, err := filepath.Rel(d.root, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), make([]byte, info.Size()), 0o644)
	})
	return lost
}

// FAULTS 23: the power fails between any two steps of a run. Whatever has its
// name then has its bytes, and the old or the new set is served whole.
func TestFault23PowerCutLosesNothingThatHasAName(t *testing.T) {
	s := newTestStore(t)
	old := activate(t, s, "one")
	set, c := fakeSet(t, "two")
	disk := newLazyDisk(t, s)
	copies := t.TempDir()
	steps, lost := 0, 0
	s.testOnly.step = func(name string) {
		steps++
		dir := filepath.Join(copies, name+strings.Repeat("+", steps))
		lost += disk.cut(dir)
		checkAfterKill(t, dir, name, old, set)
		checkBytes(t, dir, name, set)
	}
	fill(t, s, set, c)
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	if steps < 15 || lost == 0 {
		t.Errorf("%d steps were looked at, %d files lost their bytes: the test tests nothing", steps, lost)
	}
}

// checkBytes fails when a blob that has its name has not its bytes.
func checkBytes(t *testing.T, dir, step string, set *Set) {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := s.VerifySets(t.Context(), []*Set{set}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		if !errors.Is(b.Err, fs.ErrNotExist) {
			t.Errorf("%s: %s: %v", step, b.Blob.Digest, b.Err)
		}
	}
}

// FAULTS 23: the disk lied about fsync. The digest check finds it, the blob is
// fetched again, and the set is whole.
func TestFault23LostBytesAreFoundAndFetchedAgain(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	fill(t, s, set, c)
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	zeros, empty := set.Blobs[0], set.Blobs[1]
	for b, size := range map[Blob]int64{zeros: zeros.Size, empty: 0} {
		if err := os.WriteFile(s.blobPath(b.Digest), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bad, err := s.VerifySets(t.Context(), []*Set{set}, 2)
	if err != nil || len(bad) != 2 || bad[0].Blob != zeros || bad[1].Blob != empty ||
		!errors.Is(bad[0].Err, ErrDigestMismatch) || !errors.Is(bad[1].Err, ErrSizeMismatch) {
		t.Fatalf("got %+v, %v", bad, err)
	}
	for _, b := range bad {
		if err := s.RemoveBlob(b.Blob.Digest); err != nil {
			t.Fatal(err)
		}
	}
	missing := s.Missing(set)
	if len(missing) != 2 {
		t.Errorf("%d blobs are asked for again, want 2", len(missing))
	}
	for _, i := range missing {
		putBlob(t, s, c[set.Blobs[i].Digest])
	}
	if err := s.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
	checkServable(t, s, set)
}
