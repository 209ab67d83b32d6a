package sim

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/daisy-mcast/daisy-mcast/pkg/parity"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A source is the bytes of a session with Config.Bytes.
type source struct {
	geometry wire.Geometry
	size     uint64
	stride   int
	blocks   [][][]byte // data packets, padded with zeros
	rows     map[wire.PacketID][]byte
	inMemory map[wire.Block]bool
}

func newSource(seed, size uint64, g wire.Geometry) *source {
	s := &source{geometry: g, size: size, stride: parity.Stride(int(g.Payload)),
		rows: make(map[wire.PacketID][]byte), inMemory: make(map[wire.Block]bool)}
	rnd := rand.New(rand.NewPCG(seed, 7))
	for n := range g.Blocks(size) {
		block := make([][]byte, g.Packets(size, n))
		for i := range block {
			p := make([]byte, s.stride)
			for k := 0; k < g.PayloadLen(size, wire.PacketID{Block: n, Index: wire.Index(i)}); k++ {
				if k%8 == 0 {
					var word [8]byte
					binary.LittleEndian.PutUint64(word[:], rnd.Uint64())
					copy(p[k:g.Payload], word[:])
				}
			}
			clear(p[g.PayloadLen(size, wire.PacketID{Block: n, Index: wire.Index(i)}):])
			block[i] = p
		}
		s.blocks = append(s.blocks, block)
	}
	return s
}

func (s *source) load(n wire.Block)    { s.inMemory[n] = true }
func (s *source) release(n wire.Block) { delete(s.inMemory, n) }

// packet returns the bytes of a packet that the sender named: its block has to be
// in memory.
func (s *source) packet(id wire.PacketID) []byte {
	if !s.inMemory[id.Block] {
		panic("sim: the sender named a packet of a block that is not in memory")
	}
	if !id.Index.IsParity() {
		return s.payload(id)
	}
	row := s.rows[id]
	if row == nil {
		row = make([]byte, s.stride)
		parity.Encode([][]byte{row}, id.Index.Row(), s.blocks[id.Block])
		s.rows[id] = row
	}
	return row
}

func (s *source) payload(id wire.PacketID) []byte { return s.blocks[id.Block][id.Index] }

// A hostCopy is what one host holds of a source.
type hostCopy struct {
	src     *source
	decoder *parity.Decoder
	blocks  map[wire.Block]*blockCopy
}

type blockCopy struct {
	data [][]byte
	rows []parity.Row
}

func newHostCopy(src *source) *hostCopy {
	return &hostCopy{src: src, decoder: parity.NewDecoder(), blocks: make(map[wire.Block]*blockCopy)}
}

func (c *hostCopy) block(n wire.Block) *blockCopy {
	b := c.blocks[n]
	if b == nil {
		b = &blockCopy{data: make([][]byte, len(c.src.blocks[n]))}
		for i := range b.data {
			b.data[i] = make([]byte, c.src.stride)
		}
		c.blocks[n] = b
	}
	return b
}

func (c *hostCopy) put(id wire.PacketID, payload []byte) {
	b := c.block(id.Block)
	if id.Index.IsParity() {
		b.rows = append(b.rows, parity.Row{Number: id.Index.Row(), Packet: bytes.Clone(payload)})
		return
	}
	copy(b.data[id.Index], payload)
}

// hold takes a segment from the source, as held before the session.
func (c *hostCopy) hold(seg uint32) {
	for n := wire.Block(seg) * wire.SegmentBlocks; n < wire.Block(seg+1)*wire.SegmentBlocks && int(n) < len(c.src.blocks); n++ {
		for i := range c.src.blocks[n] {
			c.put(wire.PacketID{Block: n, Index: wire.Index(i)}, c.src.blocks[n][i])
		}
	}
}

func (c *hostCopy) solve(n wire.Block, lack wire.Bitmap) {
	b := c.block(n)
	var lost []int
	for i := range b.data {
		if lack.Has(wire.Index(i)) {
			lost = append(lost, i)
		}
	}
	if len(lost) == 0 {
		return
	}
	if err := c.decoder.Decode(b.data, lost, b.rows[:len(lost)]); err != nil {
		panic("sim: solving a complete block: " + err.Error())
	}
}

// isWhole reports whether the copy is the source's bytes.
func (c *hostCopy) isWhole() bool {
	for n := range c.src.blocks {
		b := c.block(wire.Block(n))
		for i := range b.data {
			if !bytes.Equal(b.data[i], c.src.blocks[n][i]) {
				return false
			}
		}
	}
	return true
}
