package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
)

// statesOf returns the states of SHA-256 over data, by the offset.
func statesOf(data []byte) map[int]midstate.State {
	states := make(map[int]midstate.State)
	h := midstate.New()
	for at := 0; at+midstate.BlockSize <= len(data); at += midstate.BlockSize {
		h.Write(data[at : at+midstate.BlockSize])
		states[at+midstate.BlockSize] = h.State()
	}
	return states
}

func stagedBlob(t *testing.T, s *Store, data []byte) *BlobStage {
	t.Helper()
	g, err := s.StageBlob(Blob{DigestOf(data), int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// checkCommitted checks that a blob is in the store and nothing else is left.
func checkCommitted(t *testing.T, s *Store, g *BlobStage, data []byte) {
	t.Helper()
	if _, err := s.Stat(DigestOf(data)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before commit: %v", err)
	}
	if err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadBlob(DigestOf(data), 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := g.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestStagedBlobHashedInOrder(t *testing.T) {
	s := newTestStore(t)
	data := bytes.Repeat([]byte("layer"), 5000)
	g := stagedBlob(t, s, data)
	for at := 0; at < len(data); at += 700 {
		p := data[at:min(at+700, len(data))]
		if n, err := g.WriteAt(p, int64(at)); n != len(p) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		g.HashWritten(p)
		g.Rest()
	}
	checkCommitted(t, s, g, data)
}

// TestStagedBlobProvenInAnyOrder: pieces of any length in any order, some of them twice
// and some wrong, make the blob; each is proven by itself.
func TestStagedBlobProvenInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, size := range []int{1, 63, 64, 65, 127, 128, 129, 6400, 50_001} {
		s := newTestStore(t)
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		states := statesOf(data)
		type piece struct{ from, to int }
		var pieces []piece
		for at := 0; at < size; {
			to := min(at+64*(1+rng.IntN(1+size/500)), size)
			pieces = append(pieces, piece{at, to})
			at = to
		}
		pieces = append(pieces, pieces[:len(pieces)/3]...)
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		g := stagedBlob(t, s, data)
		seen := make(map[piece]bool)
		left := size
		for i, p := range pieces {
			if wrong := bytes.Clone(data[p.from:p.to]); !seen[p] {
				wrong[rng.IntN(len(wrong))] ^= 1 << rng.IntN(8)
				if err := g.WriteProven(wrong, int64(p.from), states[p.from], states[p.to]); !errors.Is(err, ErrDigestMismatch) {
					t.Fatalf("%d bytes: wrong ones from %d to %d: %v", size, p.from, p.to, err)
				}
				left -= p.to - p.from
			}
			seen[p] = true
			if err := g.WriteProven(data[p.from:p.to], int64(p.from), states[p.from], states[p.to]); err != nil {
				t.Fatalf("%d bytes: from %d to %d: %v", size, p.from, p.to, err)
			}
			if i%5 == 0 {
				g.Rest()
			}
			if g.IsProven() != (left == 0) {
				t.Fatalf("%d bytes: proven %v, with %d to come", size, g.IsProven(), left)
			}
		}
		checkCommitted(t, s, g, data)
	}
}

// TestProvenPiecesMustMeet: what leads from one state to another does not prove a blob
// when its neighbours lead elsewhere.
func TestProvenPiecesMustMeet(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 16) // four blocks
	states := statesOf(data)
	forged := bytes.Repeat([]byte("#"), 64)
	h := midstate.New()
	h.Write(forged)
	other := h.State() // of the forged block alone
	for name, tt := range map[string]struct {
		p             []byte
		at            int
		before, after midstate.State
	}{
		"leads to another state":     {forged, 0, midstate.State{}, other},
		"begins with another state":  {data[128:192], 128, other, states[192]},
		"some of it is there":        {data[:128], 0, midstate.State{}, states[128]},
		"ends with another's digest": {forged, 192, states[192], other},
	} {
		s := newTestStore(t)
		g := stagedBlob(t, s, data)
		if err := g.WriteProven(data[64:128], 64, states[64], states[128]); err != nil {
			t.Fatal(err)
		}
		if err := g.WriteProven(tt.p, int64(tt.at), tt.before, tt.after); !errors.Is(err, ErrDigestMismatch) {
			t.Errorf("%s: %v", name, err)
		}
		for at := 0; at < 256; at += 64 {
			if err := g.WriteProven(data[at:at+64], int64(at), states[at], states[at+64]); err != nil {
				t.Errorf("%s: then %v", name, err)
			}
		}
		checkCommitted(t, s, g, data)
	}
}

// TestProvenPieceThatIsNotWritten: what the disk did not take is not part of the proof.
func TestProvenPieceThatIsNotWritten(t *testing.T) {
	s := newTestStore(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 12)
	states := statesOf(data)
	g := stagedBlob(t, s, data)
	put := func(from, to int) error { return g.WriteProven(data[from:to], int64(from), states[from], states[to]) }
	if err := errors.Join(put(0, 64), put(128, 192)); err != nil {
		t.Fatal(err)
	}
	s.testOnly = hooks{write: func(io.Writer, []byte) (int, error) { return 0, syscall.EIO }}
	if err := put(64, 128); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	s.testOnly = hooks{}
	if g.IsProven() {
		t.Error("it is proven, with a hole")
	}
	if err := g.Commit(); !errors.Is(err, ErrSizeMismatch) {
		t.Errorf("commit: %v", err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestStagedBlobRefuses(t *testing.T) {
	data := []byte("abc")
	for name, tt := range map[string]struct {
		do   func(s *Store, g *BlobStage) error
		want error
	}{
		"other bytes": {func(_ *Store, g *BlobStage) error {
			g.WriteAt([]byte("axc"), 0)
			g.HashWritten([]byte("axc"))
			return g.Commit()
		}, ErrDigestMismatch},
		"other bytes, proven": {func(_ *Store, g *BlobStage) error {
			err := g.WriteProven([]byte("axc"), 0, midstate.State{}, midstate.State{})
			return errors.Join(err, g.Abort())
		}, ErrDigestMismatch},
		"not all": {func(_ *Store, g *BlobStage) error {
			g.WriteAt(data[:2], 0)
			g.HashWritten(data[:2])
			return g.Commit()
		}, ErrSizeMismatch},
		"not hashed": {func(_ *Store, g *BlobStage) error {
			g.WriteAt(data, 0)
			return g.Commit()
		}, ErrSizeMismatch},
		"more, proven": {func(_ *Store, g *BlobStage) error {
			err := g.WriteProven([]byte("abcd"), 0, midstate.State{}, midstate.State{})
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"between blocks": {func(_ *Store, g *BlobStage) error {
			err := g.WriteProven(data[1:], 1, midstate.State{}, midstate.State{})
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"part of a block": {func(_ *Store, g *BlobStage) error {
			err := g.WriteProven(data[:2], 0, midstate.State{}, midstate.State{})
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"cut off meanwhile": {func(s *Store, g *BlobStage) error {
			g.WriteAt(data, 0)
			g.HashWritten(data)
			os.Truncate(filepath.Join(s.stagingPath, staged(t, s)[0]), 1)
			return g.Commit()
		}, ErrSizeMismatch},
		"more": {func(_ *Store, g *BlobStage) error {
			_, err := g.WriteAt(data, 1)
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"before the beginning": {func(_ *Store, g *BlobStage) error {
			_, err := g.WriteAt(data, -1)
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"gone": {func(s *Store, g *BlobStage) error {
			g.Rest()
			os.Remove(filepath.Join(s.stagingPath, staged(t, s)[0]))
			_, err := g.WriteAt(data, 0)
			g.Abort()
			return err
		}, fs.ErrNotExist},
		"after the end": {func(_ *Store, g *BlobStage) error {
			g.Abort()
			_, err := g.WriteAt(data, 0)
			return err
		}, os.ErrClosed},
	} {
		s := newTestStore(t)
		if err := tt.do(s, stagedBlob(t, s, data)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if _, err := s.Stat(DigestOf(data)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it is in the store: %v", name, err)
		}
		if left := staged(t, s); len(left) != 0 {
			t.Errorf("%s: left over: %v", name, left)
		}
	}
}
