package store

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"
)

var set1970 = time.Unix(1, 0)

// age makes a set look as if it was last used so many hours ago.
func age(t *testing.T, s *Store, set *Set, hours int) {
	t.Helper()
	at := time.Now().Add(-time.Duration(hours) * time.Hour)
	if err := os.Chtimes(s.setPath(set.ID), at, at); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// RULES R16: sets add up; GC keeps the last ones, so that a rollback sends
// nothing.
func TestR16GCKeepsTheNewestSets(t *testing.T) {
	s := newTestStore(t)
	var sets []*Set
	for i, version := range []string{"one", "two", "three"} {
		sets = append(sets, activate(t, s, version))
		age(t, s, sets[i], 10-i)
	}
	for _, set := range sets {
		if n := len(s.Missing(set)); n > 0 {
			t.Fatalf("a set lacks %d blobs before GC", n)
		}
	}
	killed, err := Create(Config{Dir: s.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	orphan := putBlob(t, killed, []byte("of an import that was interrupted"))
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, s.Dir())
	plan, err := reader.PlanGC(2)
	if err != nil || !slices.Equal(names(t, s.Dir()), before) {
		t.Errorf("a plan changed something, or %v", err)
	}
	res, err := s.GC(2)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(plan, res) {
		t.Errorf("planned %+v, removed %+v", plan, res)
	}
	if !slices.Equal(res.Sets, []string{sets[0].ID}) || res.Blobs != 7 || res.Bytes == 0 {
		t.Errorf("removed %+v", res)
	}
	if _, err := s.Stat(orphan.Digest); err == nil {
		t.Error("a blob of no set is still there")
	}
	if got := s.Missing(sets[0]); len(got) != 6 { // all but the shared layer
		t.Errorf("the removed set lacks %d blobs", len(got))
	}
	checkServable(t, s, sets[2])
	if err := s.Activate(sets[1].ID); err != nil { // the rollback
		t.Fatal(err)
	}
	checkServable(t, s, sets[1])
	if s.InRepository("kolla/keystone", sets[0].Images[0].Manifest) {
		t.Error("a link of the removed set is still there")
	}
	mustExist(t, filepath.Dir(s.tagIndexLink("kolla/keystone", "6.0.0", sets[0].Images[0].Manifest)), false)
	if res, err := s.GC(2); err != nil || res.Blobs+len(res.Sets)+res.Tags != 0 {
		t.Errorf("again: %+v, %v", res, err)
	}
}

func TestGCAlwaysKeepsTheCurrentSet(t *testing.T) {
	s := newTestStore(t)
	one := activate(t, s, "one")
	two := activate(t, s, "two")
	if err := s.Activate(one.ID); err != nil {
		t.Fatal(err)
	}
	age(t, s, one, 1000)
	age(t, s, two, 1)
	if res, err := s.GC(-5); err != nil || len(res.Sets) != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	age(t, s, two, 2000)
	if res, err := s.GC(1); err != nil || !slices.Equal(res.Sets, []string{two.ID}) {
		t.Fatalf("%+v, %v", res, err)
	}
	checkServable(t, s, one)
}

func TestGCRemovesRepositoriesOfNoSet(t *testing.T) {
	s := newTestStore(t)
	c := make(content)
	m := c.image(MediaTypeDockerManifest, "x")
	var blobs []Blob
	for d, data := range c {
		blobs = append(blobs, Blob{d, int64(len(data))})
	}
	other, err := NewSet([]Image{{"kolla", "old", m.Digest}, {"other/deep/er", "old", m.Digest}}, blobs, nil, Release{}, set1970)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, other, c)
	if err := s.Activate(other.ID); err != nil {
		t.Fatal(err)
	}
	set := activate(t, s, "one")
	age(t, s, other, 5)
	res, err := s.GC(1)
	if err != nil || res.Tags != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	repos, err := s.Repositories()
	if err != nil || !slices.Equal(repos, []string{"kolla/keystone", "kolla/nova/api"}) {
		t.Errorf("repositories: %v, %v", repos, err)
	}
	mustExist(t, filepath.Join(s.repositoriesDir(), "other/deep/er"), false)
	checkServable(t, s, set)
}

func TestGCLeavesAForeignStoreAlone(t *testing.T) {
	s := newTestStore(t)
	b := putBlob(t, s, []byte("pushed by somebody"))
	if res, err := s.GC(1); err != nil || res.Blobs != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := s.Stat(b.Digest); err != nil {
		t.Error(err)
	}
}

func TestGCWaitsForNobody(t *testing.T) {
	s := newTestStore(t)
	activate(t, s, "one")
	other, err := Create(Config{Dir: s.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(1); !errors.Is(err, ErrBusy) {
		t.Errorf("beside another writer: %v", err)
	}
	if _, err := other.GC(1); !errors.Is(err, ErrBusy) { // the refused one holds its lock again
		t.Errorf("the other way round: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(1); err != nil {
		t.Errorf("alone: %v", err)
	}
	again, err := Create(Config{Dir: s.Dir()}) // GC has given the exclusive lock back
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// A set comes in blob by blob, through the Store whose GC runs: some of it was
// committed, some was there already, one is being written.
func TestGCKeepsWhatASetToComeNeeds(t *testing.T) {
	s := newTestStore(t)
	one, two := activate(t, s, "one"), activate(t, s, "two")
	age(t, s, one, 5)
	three, c := fakeSet(t, "three")
	mine := one.Blobs[0] // of the set that GC drops, and in none of the kept ones
	for _, b := range one.Blobs {
		if _, kept := two.Has(b.Digest); !kept {
			mine = b
		}
	}
	s.Claim(mine.Digest)
	for _, b := range three.Blobs[1:] {
		putBlob(t, s, c[b.Digest])
	}
	late := three.Blobs[0]
	w, err := s.NewBlob(late)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(c[late.Digest]); err != nil {
		t.Fatal(err)
	}
	// Between GC's look at the sets and its removal of blobs, the last one comes.
	committed := make(chan error, 1)
	s.testOnly.step = func(name string) {
		if name == "sets removed" {
			s.testOnly.step = nil
			go func() { committed <- w.Commit() }()
		}
	}
	res, err := s.GC(1)
	if err != nil || !slices.Equal(res.Sets, []string{one.ID}) {
		t.Fatalf("%+v, %v", res, err)
	}
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if n := len(s.Missing(three)); n > 0 {
		t.Errorf("GC took %d blobs of the set to come", n)
	}
	if _, err := s.Stat(mine.Digest); err != nil {
		t.Errorf("the blob that was claimed: %v", err)
	}
	if err := errors.Join(s.PutSet(three), s.Activate(three.ID)); err != nil {
		t.Fatal(err)
	}
	checkServable(t, s, three)
}

// A claim ends with the set, or with the blob.
func TestGCTakesWhatIsNoLongerClaimed(t *testing.T) {
	s := newTestStore(t)
	one := activate(t, s, "one")
	age(t, s, one, 5)
	activate(t, s, "two")
	aborted, err := s.NewBlob(one.Blobs[0])
	if err != nil {
		t.Fatal(err)
	}
	s.Claim(one.Blobs[1].Digest)
	s.Unclaim(one.Blobs[1].Digest)
	removed := putBlob(t, s, []byte("of a bundle that was refused"))
	if err := errors.Join(aborted.Abort(), s.RemoveBlob(removed.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(1); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Missing(one)); got != 6 { // all but the shared layer
		t.Errorf("the removed set lacks %d blobs", got)
	}
	if n := len(s.claims.counts); n != 0 {
		t.Errorf("%d claims are left", n)
	}
}

// A set that cannot be read may need anything: nothing is removed.
func TestGCStopsAtAnUnreadableSet(t *testing.T) {
	s := newTestStore(t)
	one, two := activate(t, s, "one"), activate(t, s, "two")
	age(t, s, one, 5)
	if err := os.WriteFile(s.setPath(one.ID), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(1); !errors.Is(err, ErrSet) {
		t.Errorf("got %v", err)
	}
	if n := len(s.Missing(one)); n > 0 {
		t.Errorf("%d blobs are gone", n)
	}
	infos, err := s.Sets()
	if !errors.Is(err, ErrSet) || len(infos) != 1 || infos[0].ID != two.ID || !infos[0].Current {
		t.Errorf("sets: %+v, %v", infos, err)
	}
}

// A tag that cannot be read now may be a kept set's; one that is missing or holds
// no digest names no image.
func TestGCRemovesNoTagThatItCannotRead(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	link := s.tagLink("kolla/keystone", "6.0.0")
	for _, fault := range []error{syscall.EMFILE, syscall.EIO} {
		s.testOnly.read = func(path string) error {
			if path == link {
				return &os.PathError{Op: "open", Path: path, Err: fault}
			}
			return nil
		}
		if res, err := s.GC(1); !errors.Is(err, fault) || res.Tags != 0 {
			t.Errorf("%v: removed %d tags, %v", fault, res.Tags, err)
		}
	}
	s.testOnly.read = nil
	checkServable(t, s, set)

	for tag, spoil := range map[string]func(link string) error{
		"missing":   os.Remove,
		"malformed": func(link string) error { return os.WriteFile(link, []byte("sha256:x"), 0o644) },
		"long":      func(link string) error { return os.WriteFile(link, make([]byte, maxLink+1), 0o644) },
		"directory": func(link string) error { return errors.Join(os.Remove(link), os.Mkdir(link, 0o755)) },
		"symlink":   func(link string) error { return errors.Join(os.Remove(link), os.Symlink("x", link)) },
	} {
		link := s.tagLink("kolla/keystone", tag)
		err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.WriteFile(link, nil, 0o644), spoil(link))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := s.GC(1); err != nil || res.Tags != 1 {
			t.Errorf("%s: removed %d tags, %v", tag, res.Tags, err)
		}
	}
	checkServable(t, s, set)
}

func TestSetsListsTheLastUsedFirst(t *testing.T) {
	s := newTestStore(t)
	one, two := activate(t, s, "one"), activate(t, s, "two")
	age(t, s, two, 1)
	age(t, s, one, 2)
	infos, err := s.Sets()
	if err != nil || len(infos) != 2 {
		t.Fatalf("%+v, %v", infos, err)
	}
	got := infos[0]
	if got.ID != two.ID || !got.Current || got.Mode != ModeWhole || got.Images != 2 || got.Size != two.TotalSize() || got.Blobs != len(two.Blobs) {
		t.Errorf("first is %+v", got)
	}
	if infos[1].ID != one.ID || infos[1].Current || infos[1].Mode != 0 {
		t.Errorf("second is %+v", infos[1])
	}
	if set, err := s.LoadSet(one.ID); err != nil || set.Release != one.Release || !set.Created.Equal(one.Created) {
		t.Errorf("loaded %+v, %v", set, err)
	}
	for _, id := range []string{"", "../x", one.ID[:63]} {
		if _, err := s.LoadSet(id); !errors.Is(err, ErrSet) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
