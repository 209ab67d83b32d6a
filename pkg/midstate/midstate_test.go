package midstate

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestPiecesMakeTheDigest: however a content is cut, its pieces lead from state to state
// and the last one to the digest, each hashed by a hash that knows nothing of the others.
func TestPiecesMakeTheDigest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 63, 64, 65, 127, 128, 129, 1000, 64 << 10, 64<<10 + 1} {
		content := randomBytes(rng, size)
		h := New()
		var before State
		at := 0
		for {
			end := at + BlockSize*(1+rng.IntN(20))
			h.Write(randomBytes(rng, rng.IntN(200))) // what it did before does not matter
			h.Resume(int64(at), before)
			if end >= size {
				break
			}
			h.Write(content[at:end])
			if h.Len() != int64(end) {
				t.Fatalf("%d bytes: %d, want %d", size, h.Len(), end)
			}
			before, at = h.State(), end
		}
		h.Write(content[at:])
		if h.Sum() != sha256.Sum256(content) {
			t.Errorf("%d bytes, last piece at %d: another digest", size, at)
		}
	}
}

// TestStateIsTheIntermediateHashValue holds the states against FIPS 180-4: the first
// one, and that after the first block of its example of two blocks.
func TestStateIsTheIntermediateHashValue(t *testing.T) {
	h := New()
	first := h.State()
	if got := hex.EncodeToString(first[:]); got != "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19" {
		t.Errorf("the first state is %s", got)
	}
	block := make([]byte, BlockSize)
	copy(block, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq\x80")
	h.Write(block)
	after := h.State()
	if got := hex.EncodeToString(after[:]); got != "85e655d6417a17953363376a624cde5c76e09589cac5f811cc4b32c1f20e533a" {
		t.Errorf("the state after a block is %s", got)
	}
}

func TestStateIsOfWholeBlocks(t *testing.T) {
	for name, do := range map[string]func(h *Hash){
		"state":  func(h *Hash) { h.Write([]byte("x")); h.State() },
		"resume": func(h *Hash) { h.Resume(63, State{}) },
		"before": func(h *Hash) { h.Resume(-64, State{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it went through", name)
				}
			}()
			do(New())
		}()
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := New()
	piece := make([]byte, 10*BlockSize)
	var s State
	if n := testing.AllocsPerRun(100, func() {
		h.Resume(640, s)
		h.Write(piece)
		s = h.State()
		h.Sum()
	}); n > 0 {
		t.Errorf("%v allocations a piece", n)
	}
}

func BenchmarkSegment(b *testing.B) {
	const segment = 1_099_776
	h, piece := New(), make([]byte, segment)
	var s State
	b.SetBytes(segment)
	b.ReportAllocs()
	for b.Loop() {
		h.Resume(segment, s)
		h.Write(piece)
		s = h.State()
	}
}
