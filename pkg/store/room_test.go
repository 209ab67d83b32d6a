package store

import (
	"io/fs"
	"math"
	"path/filepath"
	"testing"
)

// TestR16InodesAreForetold: what is said before blobs come is what the set comes to,
// in an empty store and beside an older set.
func TestR16InodesAreForetold(t *testing.T) {
	sender, s := newTestStore(t), newTestStore(t)
	for _, version := range []string{"1", "2"} {
		set, c := fakeSet(t, version)
		fill(t, sender, set, c)
		links, err := sender.LinkInodes(set)
		if err != nil {
			t.Fatal(err)
		}
		before, foretold := inodes(t, s), s.MissingInodes(set, links)
		activate(t, s, version)
		if got := inodes(t, s) - before; foretold != got || got < 10 {
			t.Errorf("version %s: foretold %d inodes, it took %d", version, foretold, got)
		}
		if n := s.MissingInodes(set, links); n != 0 {
			t.Errorf("version %s: %d are missing when all is there", version, n)
		}
	}
}

// A blob that was lost has its links still.
func TestR16InodesOfALostBlob(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "1")
	links, err := s.LinkInodes(set)
	if err != nil {
		t.Fatal(err)
	}
	layer := DigestOf([]byte("base"))
	if err := s.RemoveBlob(layer); err != nil {
		t.Fatal(err)
	}
	if n := s.MissingInodes(set, links); n < 1 || n > blobInodes+1 {
		t.Errorf("got %d, want those of one blob", n)
	}
}

func TestRoomIn(t *testing.T) {
	r, err := RoomIn(t.TempDir())
	if err != nil || r.Bytes <= 0 || r.Inodes <= 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := RoomIn("/proc"); err != nil || r.Inodes != math.MaxInt64 {
		t.Errorf("a filesystem without inodes of its own: %+v, %v", r, err)
	}
	if _, err := RoomIn(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there has room")
	}
}

// inodes counts what the registry's tree has.
func inodes(t *testing.T, s *Store) (n int64) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.dir, RegistryRoot), func(_ string, _ fs.DirEntry, err error) error {
		n++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
