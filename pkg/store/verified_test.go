package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reopened is the store as the next run finds it.
func reopened(t *testing.T, s *Store) *Store {
	t.Helper()
	again, err := Create(Config{Dir: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

// wantCheck checks set in the store of the next run.
func wantCheck(t *testing.T, s *Store, set *Set, hashed int, bad ...Digest) *Store {
	t.Helper()
	again := reopened(t, s)
	c, err := again.CheckBlobs(t.Context(), set.Blobs, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Hashed != hashed {
		t.Errorf("%d blobs were read, want %d", c.Hashed, hashed)
	}
	if len(c.Bad) != len(bad) {
		t.Errorf("bad: %v, want %v", c.Bad, bad)
	}
	for i := range min(len(bad), len(c.Bad)) {
		if c.Bad[i].Blob.Digest != bad[i] {
			t.Errorf("bad: %v, want %v", c.Bad[i].Blob.Digest, bad[i])
		}
	}
	return again
}

func TestCheckReadsNothingOfWhatWasCommitted(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	wantCheck(t, s, set, 0)
	info, err := os.Lstat(s.recordPath())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the record: %v, %v", info.Mode(), err)
	}
}

// FAULTS 24: a byte is flipped in place and mtime set back; ctime tells.
func TestFault24FlippedByteWithOldMtimeIsFound(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	d := DigestOf([]byte("base"))
	path := s.blobPath(d)
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * ctimeGrain / 10) // more than one tick of the filesystem's clock
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("X"), 1); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Lstat(path)
	if !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Fatal("the fault shows in size or mtime; it should not")
	}
	again := wantCheck(t, s, set, 1, d)
	c, err := again.CheckBlobs(t.Context(), set.Blobs, 1, nil)
	if err != nil || len(c.Bad) != 1 || !errors.Is(c.Bad[0].Err, ErrDigestMismatch) {
		t.Fatalf("got %+v, %v", c, err)
	}
	// The next run's repair: out with it, then it is missing and comes again.
	if err := again.RemoveBlob(d); err != nil {
		t.Fatal(err)
	}
	if missing := again.Missing(set); len(missing) != 1 || set.Blobs[missing[0]].Digest != d {
		t.Errorf("missing: %v", missing)
	}
	putBlob(t, again, []byte("base"))
	if err := again.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, s, set, 0)
}

// FAULTS 24: a staged or stored file cut short or gone.
func TestFault24TruncatedAndMissingBlobsAreFound(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	cut, gone := set.Blobs[0].Digest, set.Blobs[1].Digest
	if err := errors.Join(os.Truncate(s.blobPath(cut), 1), os.Remove(s.blobPath(gone))); err != nil {
		t.Fatal(err)
	}
	again := wantCheck(t, s, set, 0, cut, gone)
	c, _ := again.CheckBlobs(t.Context(), set.Blobs, 1, nil)
	if !errors.Is(c.Bad[0].Err, ErrSizeMismatch) || !errors.Is(c.Bad[1].Err, fs.ErrNotExist) {
		t.Errorf("got %v and %v", c.Bad[0].Err, c.Bad[1].Err)
	}
}

// A file that took the place of another with size and mtime the same has another
// inode; it is read, and known from then on.
func TestCheckReadsAReplacedFileOnce(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	path := s.blobPath(DigestOf([]byte("base")))
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	for isLate := true; isLate; { // a busy machine may let so much time pass that it is settled
		begun := time.Now()
		err = errors.Join(os.WriteFile(path+".new", []byte("base"), 0o644),
			os.Chtimes(path+".new", info.ModTime(), info.ModTime()), os.Rename(path+".new", path))
		if err != nil {
			t.Fatal(err)
		}
		wantCheck(t, s, set, 1) // good, but changed a moment ago: not yet for the record
		isLate = time.Since(begun) > ctimeGrain
	}
	time.Sleep(ctimeGrain + 20*time.Millisecond)
	wantCheck(t, s, set, 1)
	wantCheck(t, s, set, 0)
}

// What a disk flips in silence changes no time. It is made here by a record that
// fits the damaged file. Only reading everything finds it, and then the next run
// repairs it although no time changed.
func TestVerifySetsTakesRottenBlobsOutOfTheRecord(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	d := DigestOf([]byte("base"))
	if err := os.WriteFile(s.blobPath(d), []byte("rott"), 0o644); err != nil {
		t.Fatal(err)
	}
	forge(t, s, d)
	wantCheck(t, s, set, 0) // it fits
	reader, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := reader.VerifySets(t.Context(), []*Set{set}, 2)
	if err != nil || len(bad) != 1 || bad[0].Blob.Digest != d {
		t.Fatalf("got %v, %v", bad, err)
	}
	if err := reader.SaveVerified(); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, s, set, 1, d)
}

// forge writes the record's line for d as if what lies there were right.
func forge(t *testing.T, s *Store, d Digest) {
	t.Helper()
	id, err := s.identify(d)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.recordPath())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, d.Hex()) {
			line = fmt.Sprintln(d.Hex(), id.size, id.mtime, id.ctime, id.inode)
		}
		out = append(out, line)
	}
	if err := os.WriteFile(s.recordPath(), []byte(strings.Join(out, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Another process that saved what it had found before does not bring back the
// line of a blob that was found bad meanwhile.
func TestRecordKeepsWhatOthersFoundBad(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	d := DigestOf([]byte("base"))
	one, two := reopened(t, s), reopened(t, s)
	putBlob(t, two, []byte("of another set")) // so that it has something to save
	if err := os.WriteFile(s.blobPath(d), []byte("rott"), 0o644); err != nil {
		t.Fatal(err)
	}
	forge(t, s, d)
	if _, err := one.VerifySets(t.Context(), []*Set{set}, 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(one.SaveVerified(), two.SaveVerified()); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, s, set, 1, d)
}

// A record that cannot be believed costs reading, no more.
func TestRecordThatCannotBeBelievedIsIgnored(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":            os.Remove,
		"open to all":     func(path string) error { return os.Chmod(path, 0o666) },
		"another version": func(path string) error { return edit(path, "verified 1", "verified 2") },
		"another header":  func(path string) error { return os.WriteFile(path, []byte("{}\n"), 0o600) },
		"empty":           func(path string) error { return os.Truncate(path, 0) },
		"not lines":       func(path string) error { return edit(path, " ", "\x00") },
		"a symbolic link": func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		},
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t)
			set := activate(t, s, "one")
			if err := spoil(s.recordPath()); err != nil {
				t.Fatal(err)
			}
			wantCheck(t, s, set, len(set.Blobs))
		})
	}
}

func edit(path, old, new string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.ReplaceAll(raw, []byte(old), []byte(new)), 0o600)
}

// Lines of blobs that are gone do not gather.
func TestRecordForgetsWhatIsGone(t *testing.T) {
	s := newTestStore(t)
	activate(t, s, "one")
	two := activate(t, s, "two")
	if _, err := s.GC(1); err != nil {
		t.Fatal(err)
	}
	putBlob(t, s, []byte("more"))
	if err := s.SaveVerified(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.readRecord()); n != len(two.Blobs)+1 {
		t.Errorf("%d lines for %d blobs", n, len(two.Blobs)+1)
	}
}

// FAULTS 22: EIO when a blob is read back is told as such, for that blob alone,
// and leaves the record's line out.
func TestFault22EIOOnReadBack(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	if err := os.Remove(s.recordPath()); err != nil {
		t.Fatal(err)
	}
	again := reopened(t, s)
	d := set.Blobs[0].Digest
	again.testOnly.input = func(f *os.File, p []byte) (int, error) {
		if strings.Contains(f.Name(), d.Hex()) {
			return 0, syscall.EIO
		}
		return f.Read(p)
	}
	c, err := again.CheckBlobs(t.Context(), set.Blobs, 2, nil)
	if err != nil || len(c.Bad) != 1 || c.Bad[0].Blob.Digest != d || !errors.Is(c.Bad[0].Err, syscall.EIO) {
		t.Fatalf("got %+v, %v", c.Bad, err)
	}
	if _, ok := again.readRecord()[d]; ok {
		t.Error("what could not be read is in the record")
	}
}

// FAULTS 27: files from the future, as a clock that was set back leaves them, are
// read again and not believed too early; those that were committed at 1970 are as
// good as others.
func TestFault27ClockJumps(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		ctime   time.Time
		settled bool
	}{
		{now.Add(time.Hour), false}, {now, false}, {now.Add(-time.Hour), true}, {time.Unix(1, 0), true},
	} {
		if got := (fileID{ctime: c.ctime.UnixNano()}).settled(now); got != c.settled {
			t.Errorf("changed %v from now: settled is %v", c.ctime.Sub(now), got)
		}
	}
	s := newTestStore(t)
	set := activate(t, s, "one")
	for _, at := range []time.Time{time.Unix(1, 0), now.Add(24 * time.Hour)} {
		for _, b := range set.Blobs {
			if err := os.Chtimes(s.blobPath(b.Digest), at, at); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(ctimeGrain + 20*time.Millisecond)
		wantCheck(t, s, set, len(set.Blobs))
		wantCheck(t, s, set, 0)
	}
}

// What is read is told of as it is read, and what was found is kept also when the
// check is cut off: the next one reads less.
func TestCheckBlobsTellsAndKeeps(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "1")
	if err := os.Remove(s.recordPath()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(ctimeGrain + 20*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	var last, total int64
	_, err := reopened(t, s).CheckBlobs(ctx, set.Blobs, 1, func(done, of int64) {
		if done <= last || of != set.TotalSize() {
			t.Errorf("told %d of %d after %d", done, of, last)
		}
		if last, total = done, of; last > total/2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last == 0 {
		t.Fatalf("got %v at %d of %d", err, last, total)
	}
	again := reopened(t, s)
	c, err := again.CheckBlobs(t.Context(), set.Blobs, 1, nil)
	if err != nil || len(c.Bad) > 0 || c.HashedBytes >= total {
		t.Errorf("then %d of %d bytes were read again, %v", c.HashedBytes, total, err)
	}
	if record := again.readRecord(); len(record) != len(set.Blobs) {
		t.Errorf("%d of %d blobs are in the record", len(record), len(set.Blobs))
	}
}
