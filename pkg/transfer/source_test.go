package transfer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

var testGeometry = wire.Geometry{Payload: wire.DefaultPayload}

// testBytes returns n bytes that depend on nothing but n.
func testBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// collected takes what a reader tells.
type collected struct {
	bytes   []byte
	last    []wire.Block // blocks that said that they are the last
	missing []wire.Block
	digests []wire.Digest
	over    []wire.End
	wrong   []string
	pool    *blockPool
}

func (c *collected) blockRead(b *blockBuffer) {
	if slices.ContainsFunc(b.data[b.size:], func(x byte) bool { return x != 0 }) {
		c.wrong = append(c.wrong, "a block's padding is not zero")
	}
	at := int(b.number) * testGeometry.BlockSize()
	for len(c.bytes) < at+b.size {
		c.bytes = append(c.bytes, 0)
	}
	copy(c.bytes[at:], b.data[:b.size])
	if b.last {
		c.last = append(c.last, b.number)
	}
	c.pool.put(b)
}

func (c *collected) blockMissing(n wire.Block) { c.missing = append(c.missing, n) }

func (c *collected) segmentRead(n uint32, d wire.Digest) {
	c.digests = append(c.digests, d)
	if int(n) != len(c.digests)-1 {
		c.wrong = append(c.wrong, "a segment out of order")
	}
}

func (c *collected) sourceEnded(e wire.End) { c.over = append(c.over, e) }

// read asks for blocks; without any, for all of them and one more.
func read(src Source, blocks ...wire.Block) (*collected, error) {
	c := &collected{pool: newBlockPool(testGeometry, 1)}
	asked := make(chan wire.Block, 100)
	for n := wire.Block(0); len(blocks) == 0 && n < 20; n++ {
		asked <- n
	}
	for _, n := range blocks {
		asked <- n
	}
	close(asked)
	err := newSourceReader(testGeometry, src, c.pool, c).run(asked)
	return c, err
}

func TestSourceSizes(t *testing.T) {
	block, segment := testGeometry.BlockSize(), testGeometry.SegmentSize()
	sizes := []int{0, 1, wire.DefaultPayload, wire.DefaultPayload + 1, block - 1, block, block + 1,
		segment, segment + 1, 3*segment + block + 5}
	for _, size := range sizes {
		want := testBytes(size)
		sources := map[string]Source{
			"file":   FileSource(bytes.NewReader(want), int64(size)),
			"stream": StreamSource(iotest.HalfReader(bytes.NewReader(want))),
		}
		for kind, src := range sources {
			c, err := read(src)
			if err != nil {
				t.Errorf("%s of %d: %v", kind, size, err)
				continue
			}
			checkSource(t, c, want)
		}
	}
}

func checkSource(t *testing.T, c *collected, want []byte) {
	t.Helper()
	if !bytes.Equal(c.bytes, want) {
		t.Errorf("%d bytes came out wrong", len(want))
	}
	blocks := testGeometry.Blocks(uint64(len(want)))
	switch {
	case blocks == 0 && len(c.last) != 0:
		t.Errorf("an empty stream has last blocks %v", c.last)
	case blocks > 0 && (len(c.last) != 1 || c.last[0] != blocks-1):
		t.Errorf("of %d blocks the last are %v", blocks, c.last)
	}
	root := wire.NewRootHash()
	var digests []wire.Digest
	for s := range slices.Chunk(want, testGeometry.SegmentSize()) {
		digests = append(digests, sha256.Sum256(s))
		root.Add(sha256.Sum256(s))
	}
	if !slices.Equal(c.digests, digests) {
		t.Errorf("%d bytes: got %d digests, want %d, or others", len(want), len(c.digests), len(digests))
	}
	end := wire.End{Size: uint64(len(want)), Segments: uint32(len(digests)), Root: root.Sum(uint64(len(want)))}
	if len(c.over) != 1 || c.over[0] != end {
		t.Errorf("%d bytes: got %+v, want %+v", len(want), c.over, end)
	}
	if len(c.missing) != 20-int(blocks) || len(c.wrong) > 0 {
		t.Errorf("%d bytes: blocks %v are missing; %v", len(want), c.missing, c.wrong)
	}
}

func TestSourceThatChangedItsSize(t *testing.T) {
	b := testBytes(100_000)
	for _, size := range []int64{99_999, 100_001} {
		if _, err := read(FileSource(bytes.NewReader(b), size)); !errors.Is(err, ErrSource) {
			t.Errorf("100000 bytes announced as %d: %v", size, err)
		}
	}
}

func TestSourceFault(t *testing.T) {
	broken := errors.New("broken")
	src := StreamSource(io.MultiReader(bytes.NewReader(testBytes(1_000_000)), iotest.ErrReader(broken)))
	if _, err := read(src); !errors.Is(err, broken) || !errors.Is(err, ErrSource) {
		t.Errorf("got %v", err)
	}
}

// TestBlocksAgainAndSkipped: whichever blocks are asked for, the digests are of
// all.
func TestBlocksAgainAndSkipped(t *testing.T) {
	want := testBytes(6*testGeometry.BlockSize() + 1000)
	src := FileSource(bytes.NewReader(want), int64(len(want)))
	c, err := read(src, 3, 0, 1, 2, 3, 6, 6, 5, 4)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.bytes, want) || !slices.Equal(c.last, []wire.Block{6, 6}) || len(c.missing) > 0 {
		t.Errorf("came out wrong: %d bytes, last %v, missing %v", len(c.bytes), c.last, c.missing)
	}
	if len(c.digests) != 2 || len(c.over) != 1 {
		t.Errorf("%d digests, %d ends", len(c.digests), len(c.over))
	}
}

func TestPoolIsBounded(t *testing.T) {
	p := newBlockPool(testGeometry, 10)
	var taken []*blockBuffer
	for b := p.take(); b != nil; b = p.take() {
		taken = append(taken, b)
	}
	if len(taken) != 10 {
		t.Fatalf("%d buffers, want 10", len(taken))
	}
	p.put(taken[3])
	if b := p.take(); b != taken[3] {
		t.Errorf("got %p; want the one put back", b)
	}
}
