package imageset

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// sumsOf returns the sums of a pack's segments as a sender makes them, from reads of any
// length, with that before the first segment before them.
func sumsOf(t testing.TB, p Pack, space []byte, segment int) (sums [][sha256.Size]byte) {
	t.Helper()
	s := p.Summer()
	sums = append(sums, [sha256.Size]byte{})
	for at := 0; at < len(space); at += segment {
		for rest := space[at:min(at+segment, len(space))]; len(rest) > 0; {
			n, err := s.Write(rest[:min(len(rest), segment/3+7)])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		sums = append(sums, s.Sum())
	}
	return sums
}

// A cut is a pack's byte space cut into segments, with their sums.
type cut struct {
	pack    Pack
	space   []byte
	segment int
	sums    [][sha256.Size]byte
}

func cutOf(t testing.TB, segment int, contents ...string) cut {
	t.Helper()
	c := cut{pack: packOf(t, contents...), space: []byte(spaceOf(contents...)), segment: segment}
	c.sums = sumsOf(t, c.pack, c.space, segment)
	return c
}

func (c cut) segments() int { return len(c.sums) - 1 }

func (c cut) bytes(i int) []byte {
	return c.space[i*c.segment : min((i+1)*c.segment, len(c.space))]
}

// give gives segment i to a sink, as it is or as p.
func (c cut) give(t testing.TB, s *Sink, i int, p []byte) bool {
	t.Helper()
	isGood, err := s.WriteSegment(p, int64(i*c.segment), c.sums[i], c.sums[i+1])
	if err != nil {
		t.Fatalf("segment %d: %v", i, err)
	}
	return isGood
}

// randomText returns so many random bytes.
func randomText(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// contentsOf returns contents of the sizes at which something may be off by one, in a
// random order, of which no two are the same.
func contentsOf(rng *rand.Rand, segment int) []string {
	sizes := []int{
		0, 1, 2, 63, 64, 65, 127, 128, 2*segment - 64, segment - 1, segment, segment + 1,
		segment + 64, 2 * segment, 3*segment - 1, 7*segment + 5, 5, 6, 7, 8, 9, 10,
	}
	rng.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	var all []string
	for i, n := range sizes {
		text := randomText(rng, n)
		if n == 1 { // not the same as another's
			text = string(rune('a' + i))
		}
		all = append(all, text)
	}
	return all
}

// TestSinkProvesSegmentsInAnyOrder: whatever the order, and whatever comes twice, blobs
// are whole, right and committed.
func TestSinkProvesSegmentsInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, segment := range []int{64, 128, 768 * 4, 768 * 100} {
		contents := contentsOf(rng, segment)
		c := cutOf(t, segment, contents...)
		unwanted := blobOf(contents[3])
		st := newStore(t)
		s := NewSink(c.pack, st, func(d store.Digest) bool { return d != unwanted.Digest })
		order := rng.Perm(c.segments())
		order = append(order, order[:len(order)/4]...)
		for _, i := range order {
			if !c.give(t, s, i, c.bytes(i)) {
				t.Fatalf("segments of %d bytes: %d is refused", segment, i)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := digests(slices.Delete(slices.Clone(contents), 3, 4)...)
		checkResult(t, s, want, nil, nil)
		for i, d := range want {
			if got, err := st.ReadBlob(d, 1<<20); err != nil || store.DigestOf(got) != d {
				t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
			}
		}
		checkNothingStaged(t, st)
	}
}

// TestFault48SinkFindsAFlippedByte: wherever a byte of a wanted blob is flipped, that
// segment is refused, whatever came before, and taken once it is right. What lies between
// blobs, and of blobs that are not wanted, changes nothing.
func TestFault48SinkFindsAFlippedByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const segment = 256
	contents := contentsOf(rng, segment)
	c := cutOf(t, segment, contents...)
	unwanted := slices.IndexFunc(contents, func(s string) bool { return len(s) == 7*segment+5 })
	st := newStore(t)
	s := NewSink(c.pack, st, func(d store.Digest) bool { return d != c.pack.blobs[unwanted].Digest })
	refused, passed := 0, 0
	for _, i := range rng.Perm(c.segments()) {
		matters := make([]bool, len(c.bytes(i)))
		for part := range c.pack.parts(int64(i*segment), len(matters)) {
			for k := part.from; k < part.to; k++ {
				matters[k] = part.blob != unwanted
			}
		}
		if slices.Contains(matters, true) {
			k := rng.IntN(len(matters))
			for !matters[k] {
				k = rng.IntN(len(matters))
			}
			forged := slices.Clone(c.bytes(i))
			forged[k] ^= 1 << rng.IntN(8)
			if c.give(t, s, i, forged) {
				t.Fatalf("segment %d: byte %d was flipped", i, k)
			}
			refused++
		}
		right := slices.Clone(c.bytes(i))
		for k := range matters {
			if !matters[k] {
				right[k] ^= 0xff
				passed++
			}
		}
		if !c.give(t, s, i, right) {
			t.Fatalf("segment %d is refused", i)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if refused == 0 || passed == 0 {
		t.Errorf("%d refused, %d bytes that did not matter", refused, passed)
	}
	want := digests(slices.Delete(slices.Clone(contents), unwanted, unwanted+1)...)
	checkResult(t, s, want, nil, nil)
	for _, d := range want {
		if got, err := st.ReadBlob(d, 1<<20); err != nil || store.DigestOf(got) != d {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// TestSinkProvesEveryByte flips each byte of a small pack, one at a time.
func TestSinkProvesEveryByte(t *testing.T) {
	contents := []string{"one", strings.Repeat("two", 50), strings.Repeat("y", 64), "three"}
	c := cutOf(t, 128, contents...)
	st := newStore(t)
	isContent := make([]bool, len(c.space))
	for part := range c.pack.parts(0, len(c.space)) {
		for k := part.from; k < part.to; k++ {
			isContent[k] = true
		}
	}
	for k := range c.space {
		s := NewSink(c.pack, st, nil)
		for i := range c.segments() {
			p := slices.Clone(c.bytes(i))
			isHere := k/c.segment == i
			if isHere {
				p[k%c.segment] ^= 0x10
			}
			if got := c.give(t, s, i, p); got == (isHere && isContent[k]) {
				t.Fatalf("byte %d, segment %d: good is %v", k, i, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := len(s.Result().Committed); isContent[k] && got >= len(contents) || !isContent[k] && got != len(contents) {
			t.Errorf("byte %d flipped: %d blobs committed", k, got)
		}
	}
}

// TestSinkTakesNoOtherBlob: sums that go together do not make a blob that has not the
// digest of the pack's list.
func TestSinkTakesNoOtherBlob(t *testing.T) {
	listed, other := strings.Repeat("listed", 100), strings.Repeat("forged", 100)
	c := cutOf(t, 128, other)
	c.pack = packOf(t, listed)
	st := newStore(t)
	s := NewSink(c.pack, st, nil)
	for i := range c.segments() {
		if isLast := i == c.segments()-1; c.give(t, s, i, c.bytes(i)) == isLast {
			t.Errorf("segment %d of %d: last %v", i, c.segments(), isLast)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, nil, nil, digests(listed))
	checkNothingStaged(t, st)
}

// TestSinkTakesNoBrokenChain: each segment leads from the sum before it to its own, but
// they were not told the same sum between them.
func TestSinkTakesNoBrokenChain(t *testing.T) {
	content := strings.Repeat("content", 64) // 448 bytes: 7 blocks
	for name, order := range map[string][]int{"forward": {0, 1, 2, 3}, "backward": {3, 2, 1, 0}} {
		c := cutOf(t, 128, content)
		forged := bytes.Repeat([]byte("#"), 128)
		h := midstate.New()
		h.Write(forged)
		st := newStore(t)
		s := NewSink(c.pack, st, nil)
		refused := 0
		for _, i := range order {
			p, sum := c.bytes(i), c.sums[i+1]
			if i == 0 {
				p, sum = forged, h.State()
			}
			isGood, err := s.WriteSegment(p, int64(i*c.segment), c.sums[i], sum)
			if err != nil {
				t.Fatal(err)
			}
			if !isGood {
				refused++
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if refused != 1 {
			t.Errorf("%s: %d segments were refused", name, refused)
		}
		checkResult(t, s, nil, nil, digests(content))
	}
}

// TestSinkCommitsBeforeTheEnd: a blob is in the store while others still arrive, so
// that a kill loses only what was not whole.
func TestSinkCommitsBeforeTheEnd(t *testing.T) {
	st := newStore(t)
	contents := []string{strings.Repeat("one", 100), strings.Repeat("two", 100), strings.Repeat("six", 100)}
	c := cutOf(t, 64, contents...)
	s := NewSink(c.pack, st, nil)
	for i := 9; i > 2; i-- {
		c.give(t, s, i, c.bytes(i))
	}
	if err := s.commits.wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Stat(blobOf(contents[1]).Digest); err != nil {
		t.Errorf("a whole blob: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, digests(contents[1]), nil, digests(contents[0], contents[2]))
	checkNothingStaged(t, st)
}

// TestSinkWithManyBegun: parts of very many blobs may have come; few files are open.
func TestSinkWithManyBegun(t *testing.T) {
	st := newStore(t)
	var contents []string
	for i := range 10 * maxOpen {
		contents = append(contents, fmt.Sprintf("%192d", i))
	}
	c := cutOf(t, 64, contents...)
	s := NewSink(c.pack, st, nil)
	before := openFiles(t)
	for _, part := range []int{1, 0, 2} {
		for i := range contents {
			n := 3*i + part
			if !c.give(t, s, n, c.bytes(n)) {
				t.Fatalf("segment %d is refused", n)
			}
			if n := openFiles(t) - before; n > maxOpen+commitsWaiting+commitsAtOnce+2 {
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

// FAULTS 24: what was staged is not what it was any more when the blob is complete,
// whatever the order.
func TestFault24StagedBytesAreReadBack(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(file string) error
		first int
	}{
		"cut off, backward": {func(file string) error { return os.Truncate(file, 100) }, 1},
		"changed, backward": {func(file string) error { return changeByte(file, 2100) }, 1},
		"cut off, forward":  {func(file string) error { return os.Truncate(file, 100) }, 0},
		"changed, forward":  {func(file string) error { return changeByte(file, 50) }, 0},
	} {
		st := newStore(t)
		content := strings.Repeat("layer", 800)
		c := cutOf(t, 2048, content, "next")
		s := NewSink(c.pack, st, nil)
		c.give(t, s, tt.first, c.bytes(tt.first))
		staged, err := filepath.Glob(filepath.Join(st.OwnDir(), "staging", blobOf(content).Digest.Hex()+"*"))
		if err != nil || len(staged) != 1 {
			t.Fatalf("staged: %v, %v", staged, err)
		}
		if err := inAnotherTick(staged[0], tt.spoil); err != nil {
			t.Fatal(err)
		}
		c.give(t, s, 1-tt.first, c.bytes(1-tt.first))
		err = s.Close()
		r := s.Result()
		wasCut := name == "cut off, backward" // what comes after fills a hole with zeros
		if wasCut && (!errors.Is(err, store.ErrSizeMismatch) || len(r.Missing) == 0) {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if !wasCut && (err != nil || len(r.Bad) != 1 || slices.Contains(r.Committed, blobOf(content).Digest)) {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		checkNothingStaged(t, st)
	}
}

// inAnotherTick changes a file until its time shows it: a filesystem's clock may tick
// every 10 ms only.
func inAnotherTick(file string, change func(string) error) error {
	was, err := os.Stat(file)
	for err == nil {
		if err = change(file); err != nil {
			break
		}
		var info os.FileInfo
		if info, err = os.Stat(file); err == nil && !info.ModTime().Equal(was.ModTime()) {
			break
		}
	}
	return err
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
	for _, at := range []int64{-64, 67, 128, 1 << 40, 64} {
		if isGood, err := s.WriteSegment(make([]byte, 4), at, [sha256.Size]byte{}, [sha256.Size]byte{}); isGood || !errors.Is(err, ErrPack) {
			t.Errorf("at %d: %v, %v", at, isGood, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteSegment([]byte("one"), 0, [sha256.Size]byte{}, [sha256.Size]byte{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}
