package imageset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// pieces cuts a byte space of some size into pieces, shuffled, some of them again.
func pieces(rng *rand.Rand, size, most int) (all []extent) {
	for at := 0; at < size; {
		n := min(1+rng.IntN(most), size-at)
		all = append(all, extent{int64(at), int64(at + n)})
		at += n
	}
	for range len(all) / 4 {
		from := rng.IntN(size)
		all = append(all, extent{int64(from), int64(min(from+1+rng.IntN(most), size))})
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// TestSinkInAnyOrder: whatever the order, and whatever comes twice, blobs are whole,
// right and complete on their own.
func TestSinkInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	contents := []string{"", "one", strings.Repeat("two", 70_000), "three", "x", strings.Repeat("four", 200_000), "five"}
	whole := []byte(strings.Join(contents, ""))
	unwanted := blobOf("three").Digest
	for _, most := range []int{3000, 100_000, 2_000_000} {
		st := newStore(t)
		s := NewSink(packOf(t, contents...), st, func(d store.Digest) bool { return d != unwanted })
		for _, e := range pieces(rng, len(whole), most) {
			if n, err := s.WriteAt(whole[e.from:e.to], e.from); err != nil || n != int(e.to-e.from) {
				t.Fatalf("%v: %d, %v", e, n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := digests("", "one", contents[2], "x", contents[5], "five")
		checkResult(t, s, want, nil, nil)
		for i, d := range want {
			if got, err := st.ReadBlob(d, 1<<20); err != nil || store.DigestOf(got) != d {
				t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
			}
		}
		checkNothingStaged(t, st)
	}
}

// TestSinkCommitsBeforeTheEnd: a blob is in the store while others still arrive, so
// that a kill loses only what was not whole.
func TestSinkCommitsBeforeTheEnd(t *testing.T) {
	st := newStore(t)
	s := NewSink(packOf(t, "one", "two", "six"), st, nil)
	for _, w := range []struct {
		text string
		at   int64
	}{{"ix", 7}, {"wo", 4}, {"t", 3}} {
		if _, err := s.WriteAt([]byte(w.text), w.at); err != nil {
			t.Fatal(err)
		}
	}
	s.hashing.wait()
	if err := s.commits.wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Stat(blobOf("two").Digest); err != nil {
		t.Errorf("a whole blob: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests("two"), nil, digests("one", "six"))
	checkNothingStaged(t, st)
}

// TestSinkWithManyBegun: parts of very many blobs may have come; few files are open.
func TestSinkWithManyBegun(t *testing.T) {
	st := newStore(t)
	var contents []string
	for i := range 10 * maxOpen {
		contents = append(contents, fmt.Sprintf("the blob with number %04d", i))
	}
	whole := strings.Join(contents, "")
	size := len(contents[0])
	s := NewSink(packOf(t, contents...), st, nil)
	before := openFiles(t)
	for _, part := range []extent{{10, 20}, {0, 10}, {20, int64(size)}} {
		for i := range contents {
			at := int64(i*size) + part.from
			if _, err := s.WriteAt([]byte(whole[at:int64(i*size)+part.to]), at); err != nil {
				t.Fatal(err)
			}
			if n := openFiles(t) - before; n > maxOpen+hashJobs+commitsAtOnce+2 {
				t.Fatalf("%d files are open", n)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests(contents...), nil, nil)
	if n := openFiles(t); n > before {
		t.Errorf("%d files open, %d before", n, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// FAULTS 24: what was staged is not there any more when it is to be hashed.
func TestFault24StagedBytesAreReadBack(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"cut off": func(file string) error { return os.Truncate(file, 100) },
		"changed": func(file string) error { return changeByte(file, 50) },
	} {
		st := newStore(t)
		content := bytes.Repeat([]byte("layer"), 1000)
		s := NewSink(packOf(t, string(content), "next"), st, nil)
		if _, err := s.WriteAt(content[10:], 10); err != nil {
			t.Fatal(err)
		}
		staged, err := filepath.Glob(filepath.Join(st.OwnDir(), "staging", "*"))
		if err != nil || len(staged) != 1 {
			t.Fatalf("staged: %v, %v", staged, err)
		}
		if err := spoil(staged[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WriteAt(content[:10], 0); err != nil {
			t.Fatal(err)
		}
		err = s.Close()
		r := s.Result()
		switch name {
		case "cut off":
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(r.Missing) == 0 {
				t.Errorf("%s: %v, %+v", name, err, r)
			}
		case "changed":
			if err != nil || len(r.Bad) != 1 || len(r.Committed) > 0 {
				t.Errorf("%s: %v, %+v", name, err, r)
			}
		}
		checkNothingStaged(t, st)
	}
}

func changeByte(file string, at int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{'#'}, at)
	return errors.Join(err, f.Close())
}

func TestSinkRefusesWhatIsOutside(t *testing.T) {
	st := newStore(t)
	s := NewSink(packOf(t, "one", "two"), st, nil)
	for at, n := range map[int64]int{-1: 0, 6: 0, 1 << 40: 0, 4: 2} {
		if got, err := s.WriteAt([]byte("wox"), at); got != n || !errors.Is(err, ErrPack) {
			t.Errorf("at %d: %d, %v", at, got, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
