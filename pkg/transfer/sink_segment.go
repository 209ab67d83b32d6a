package transfer

import (
	"crypto/sha256"

	"github.com/daisy-mcast/daisy-mcast/pkg/parity"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A blockPart is one block of a segmentBuffer. Each packet has a slot; a parity
// row takes the slot of a data packet that is not there, and moves when that one
// comes after all. So a block never needs more memory than its data.
//
// Invariant: have + len(rows) <= count, once count is known.
type blockPart struct {
	count int // data packets; 0 before the first packet came
	have  int // data packets that are there
	there wire.Bitmap
	rows  []rowSlot
}

type rowSlot struct {
	row  int
	slot int
}

// isComplete reports whether the block can be made whole.
func (p *blockPart) isComplete() bool { return p.count > 0 && p.have+len(p.rows) >= p.count }

// A segmentBuffer collects the packets of one segment. One goroutine owns it at
// a time: the receiver's loop until the segment is complete, then the finisher.
type segmentBuffer struct {
	g      wire.Geometry
	number uint32
	data   []byte // of a full segment
	blocks [wire.SegmentBlocks]blockPart
}

func newSegmentBuffer(g wire.Geometry) *segmentBuffer {
	s := &segmentBuffer{g: g, data: make([]byte, g.SegmentSize())}
	for i := range s.blocks {
		s.blocks[i].rows = make([]rowSlot, 0, wire.ParityRows)
	}
	return s
}

// reset makes s an empty buffer for another segment.
func (s *segmentBuffer) reset(number uint32) {
	s.number = number
	for i := range s.blocks {
		s.blocks[i] = blockPart{rows: s.blocks[i].rows[:0]}
	}
}

// offset returns where the segment begins in the stream.
func (s *segmentBuffer) offset() int64 { return int64(s.number) * int64(s.g.SegmentSize()) }

// part returns a block's part of its segment.
func part(b wire.Block) int { return int(b % wire.SegmentBlocks) }

// segmentOf returns the segment that a block is of.
func segmentOf(b wire.Block) uint32 { return uint32(b / wire.SegmentBlocks) }

// slot returns the memory of a data packet, zero padding and all.
func (s *segmentBuffer) slot(block, i int) []byte {
	from := block*s.g.BlockSize() + i*int(s.g.Payload)
	return s.data[from : from+int(s.g.Payload)]
}

// add takes a packet in and reports whether it was of use. The number of data
// packets is what the block's packets say; one that says otherwise is of no use.
func (s *segmentBuffer) add(id wire.PacketID, count int, payload []byte) bool {
	block := part(id.Block)
	p := &s.blocks[block]
	if p.count == 0 {
		p.count = count
	}
	if count != p.count || p.isComplete() {
		return false
	}
	if id.Index.IsParity() {
		return s.addRow(block, id.Index.Row(), payload)
	}
	if int(id.Index) >= count || p.there.Has(id.Index) {
		return false
	}
	s.vacate(block, int(id.Index))
	s.put(block, int(id.Index), payload)
	p.there.Add(id.Index)
	p.have++
	return true
}

func (s *segmentBuffer) put(block, i int, payload []byte) {
	slot := s.slot(block, i)
	clear(slot[copy(slot, payload):])
}

func (s *segmentBuffer) addRow(block, row int, payload []byte) bool {
	p := &s.blocks[block]
	for _, r := range p.rows {
		if r.row == row {
			return false
		}
	}
	slot := s.freeSlot(p, -1)
	s.put(block, slot, payload)
	p.rows = append(p.rows, rowSlot{row, slot})
	return true
}

// vacate moves the row that is in the slot of data packet i, if there is one.
func (s *segmentBuffer) vacate(block, i int) {
	p := &s.blocks[block]
	for k := range p.rows {
		if p.rows[k].slot == i {
			to := s.freeSlot(p, i)
			copy(s.slot(block, to), s.slot(block, i))
			p.rows[k].slot = to
			return
		}
	}
}

// freeSlot returns a slot that holds neither a data packet nor a row and is not
// except. The invariant promises one while the block is not complete.
func (s *segmentBuffer) freeSlot(p *blockPart, except int) int {
	var taken wire.Bitmap
	for _, r := range p.rows {
		taken.Add(wire.Index(r.slot))
	}
	for i := p.count - 1; i >= 0; i-- {
		if i != except && !taken.Has(wire.Index(i)) && !p.there.Has(wire.Index(i)) {
			return i
		}
	}
	panic("transfer: an incomplete block without a free slot")
}

// A mender makes complete segments whole. It allocates nothing after its making.
type mender struct {
	g       wire.Geometry
	decoder *parity.Decoder
	data    [][]byte
	lost    []int
	rows    []parity.Row
	scratch []byte // the rows' packets: the slots are where the lost ones go
}

func newMender(g wire.Geometry) *mender {
	return &mender{
		g: g, decoder: parity.NewDecoder(),
		data:    make([][]byte, 0, wire.BlockPackets),
		lost:    make([]int, 0, wire.ParityRows),
		rows:    make([]parity.Row, 0, wire.ParityRows),
		scratch: make([]byte, wire.ParityRows*int(g.Payload)),
	}
}

// mend solves for the lost packets of a segment that is complete.
func (m *mender) mend(s *segmentBuffer, blocks int) error {
	for i := range s.blocks[:blocks] {
		if len(s.blocks[i].rows) == 0 {
			continue
		}
		if err := m.mendBlock(s, i); err != nil {
			return err
		}
	}
	return nil
}

func (m *mender) mendBlock(s *segmentBuffer, block int) error {
	p := &s.blocks[block]
	m.data, m.lost, m.rows = m.data[:0], m.lost[:0], m.rows[:0]
	for i := range p.count {
		m.data = append(m.data, s.slot(block, i))
		if !p.there.Has(wire.Index(i)) {
			m.lost = append(m.lost, i)
		}
	}
	size := int(m.g.Payload)
	for i, r := range p.rows {
		packet := m.scratch[i*size : (i+1)*size]
		copy(packet, s.slot(block, r.slot))
		m.rows = append(m.rows, parity.Row{Number: r.row, Packet: packet})
	}
	return m.decoder.Decode(m.data, m.lost, m.rows)
}

// verify reports whether the first size bytes of s are what the sender read.
func (s *segmentBuffer) verify(size int, want wire.Digest) bool {
	return sha256.Sum256(s.data[:size]) == want
}
