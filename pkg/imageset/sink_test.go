package imageset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func digests(contents ...string) []store.Digest {
	var list []store.Digest
	for _, c := range contents {
		list = append(list, blobOf(c).Digest)
	}
	return list
}

func checkResult(t *testing.T, s *Sink, committed, bad, missing []store.Digest) {
	t.Helper()
	r := s.Result()
	if !slices.Equal(r.Committed, committed) || !slices.Equal(r.Bad, bad) || !slices.Equal(r.Missing, missing) {
		t.Errorf("got %+v,\nwant committed %v, bad %v, missing %v", r, committed, bad, missing)
	}
}

func checkNothingStaged(t *testing.T, st *store.Store) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(st.OwnDir(), "staging"))
	if err != nil || len(list) > 0 {
		t.Errorf("staged: %v, %v", list, err)
	}
}

func TestSinkCommitsWhatIsWanted(t *testing.T) {
	contents := []string{"", "one", "two", strings.Repeat("three", 1000), "", "four"}
	contents[4] = "x"
	for name, chunk := range map[string]func(io.Reader) io.Reader{
		"bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "whole": func(r io.Reader) io.Reader { return r },
	} {
		st := newStore(t)
		p := packOf(t, contents...)
		two := blobOf("two").Digest
		s := NewSink(p, st, func(d store.Digest) bool { return d != two })
		n, err := io.Copy(s, struct{ io.Reader }{chunk(strings.NewReader(spaceOf(contents...)))})
		if err != nil || n != p.Size() {
			t.Fatalf("%s: %d bytes, %v", name, n, err)
		}
		if _, err := s.Write([]byte("more")); !errors.Is(err, ErrPack) {
			t.Errorf("%s: more bytes than the pack has: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		checkResult(t, s, digests("", "one", contents[3], "x", "four"), nil, nil)
		if _, err := st.Stat(two); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: an unwanted blob: %v", name, err)
		}
		for _, d := range digests("", "one", contents[3], "x", "four") {
			if _, err := st.ReadBlob(d, 1<<20); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		checkNothingStaged(t, st)
	}
}

func TestSinkOfEmptyBlobsOnly(t *testing.T) {
	st := newStore(t)
	s := NewSink(packOf(t, ""), st, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests(""), nil, nil)
}

func TestSinkMarksABadBlobAndGoesOn(t *testing.T) {
	st := newStore(t)
	s := NewSink(packOf(t, "one", "two", "six"), st, nil)
	if _, err := io.WriteString(s, spaceOf("one", "TWO", "six")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests("one", "six"), digests("two"), nil)
	if err := s.Result().Err; err != nil {
		t.Errorf("a bad blob is an error of the disk: %v", err)
	}
	checkNothingStaged(t, st)
}

// FAULTS 8: the stream ends in the middle of a blob; what was complete stays,
// the rest is asked for again.
func TestFault8HalfABlobIsThrownAway(t *testing.T) {
	st := newStore(t)
	s := NewSink(packOf(t, "one", "two", "six"), st, nil)
	if _, err := io.WriteString(s, spaceOf("one", "tw")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests("one"), nil, digests("two", "six"))
	checkNothingStaged(t, st)
	if _, err := s.Write([]byte("o")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

// FAULTS 19: the disk cannot take the next blob. What was committed stays.
func TestFault19FullDiskEndsTheSink(t *testing.T) {
	st := newStore(t)
	huge := store.Blob{Digest: blobOf("huge").Digest, Size: store.MaxBlobSize}
	p, err := NewPack([]store.Blob{blobOf("one"), huge, blobOf("two")})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSink(p, st, nil)
	n, err := io.WriteString(s, spaceOf("one", "some"))
	if n != 64 || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("%d, %v", n, err)
	}
	if _, again := io.WriteString(s, "x"); !errors.Is(again, err) {
		t.Errorf("then %v", again)
	}
	if closed := s.Close(); !errors.Is(closed, err) {
		t.Errorf("close: %v", closed)
	}
	checkResult(t, s, digests("one"), nil, []store.Digest{huge.Digest, blobOf("two").Digest})
	if !errors.Is(s.Result().Err, err) {
		t.Errorf("result: %v", s.Result().Err)
	}
	checkNothingStaged(t, st)
}

// FAULTS 20: the bytes are there, but the disk fails when the blob is made
// permanent, beside the next one.
func TestFault20CommitErrorIsNotSwallowed(t *testing.T) {
	st := newStore(t)
	p := packOf(t, "one", "two")
	dir := filepath.Dir(filepath.Dir(blobFile(st, blobOf("one").Digest)))
	if err := os.WriteFile(dir, nil, 0o644); err != nil { // where a directory has to be
		t.Fatal(err)
	}
	s := NewSink(p, st, nil)
	io.WriteString(s, spaceOf("one", "two"))
	if err := s.Close(); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("close: %v", err)
	}
	r := s.Result()
	if r.Err == nil || len(r.Bad) > 0 || !slices.Contains(r.Missing, blobOf("one").Digest) {
		t.Errorf("result: %+v", r)
	}
	checkNothingStaged(t, st)
}

func TestSinkOfMany(t *testing.T) {
	st := newStore(t)
	var contents []string
	for i := range 60 {
		contents = append(contents, fmt.Sprint("blob ", i))
	}
	s := NewSink(packOf(t, contents...), st, nil)
	if _, err := io.WriteString(s, spaceOf(contents...)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests(contents...), nil, nil)
}
