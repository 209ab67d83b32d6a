package transfer

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A ReceiverConfig is what a Receiver needs to know.
type ReceiverConfig struct {
	Geometry wire.Geometry
	Mode     wire.Mode
	// Size is the stream's size in File mode; in Stream mode it is told by End.
	Size uint64
	// Interval is the time between two reports, from the WELCOME.
	Interval time.Duration
	// Phase, 0 to 1, spreads the reports of many receivers over an interval: a
	// random number.
	Phase float64
	// PoolSegments is how many segments may be in memory at once, from their
	// first packet until they are told as verified: PoolBytes over a segment's
	// size if zero.
	PoolSegments int
	// InOrder says that segments are written in order: those that have to wait for
	// their turn keep their memory, so that none is taken that is further from the
	// first unwritten one than the pool is long.
	InOrder bool
}

// A Verdict is what a Receiver makes of a packet.
type Verdict uint8

// The verdicts.
const (
	// Unwanted: the packet was seen, its block is complete, or it is none of the
	// stream's.
	Unwanted Verdict = iota
	// NoRoom: memory is full. It counts as not received.
	NoRoom
	// Keep: the caller keeps the bytes.
	Keep
	// Complete: the caller keeps the bytes, and with them the block can be
	// solved: LackOf tells what is missing.
	Complete
)

// blockState is what a Receiver knows of a block.
type blockState struct {
	seen  [4]uint64 // bit i of word i/64: the packet with index i
	have  uint8     // packets seen, up to count
	told  uint8     // of these when the last report was made
	stuck uint8     // reports since that grew
	count uint8     // data packets; 0 before the first packet
	isFull,
	isVerified bool
}

// rows returns one more than the highest parity row seen.
func (b *blockState) rows() int { return 64 - bits.LeadingZeros64(b.seen[3]) }

func (b *blockState) deficit() int { return int(b.count) - int(b.have) }

// pageBlocks is the number of blocks in a page: of 4 segments.
const pageBlocks = 4 * wire.SegmentBlocks

type page struct {
	blocks   [pageBlocks]blockState
	verified int
}

// A Receiver keeps account of which packets are held and tells what is lacking.
// It holds no bytes. See the package's comment for the calls. Not safe for
// concurrent use.
type Receiver struct {
	cfg   ReceiverConfig
	pages []*page // nil: nothing seen; verifiedPage: all of it
	// segments are those that hold memory: from their first packet, or from when
	// they are fetched, to SegmentVerified or SegmentBad.
	segments map[uint32]struct{}
	counters wire.Counters

	counter uint64        // highest seen, plus one
	at      time.Duration // when that arrived
	past    [snapshots]snapshot
	pastAt  int // of the last snapshot
	reorder time.Duration

	base       wire.Block // all before are verified
	oldest     wire.Block
	next       wire.Block
	total      wire.Block
	isEnded    bool
	size       uint64
	started    time.Duration
	reportAt   time.Duration
	reported   uint64 // packets counted when the last report was made
	reportedAt time.Duration
	deficits   []wire.Deficit
	open       []uint32 // scratch
	maps       []wire.Map
	reports    []wire.Report

	isAlone   bool
	fetching  rangeset.Set // asked for, not yet come
	fetchLeft uint64       // in fetching, when it was last looked at
	fetchAt   time.Duration
	bad       map[uint32]struct{} // segments that have to come over TLS
}

// verifiedPage stands for pages all of whose blocks are verified. It is never
// written to.
var verifiedPage = func() *page {
	p := &page{verified: pageBlocks}
	for i := range p.blocks {
		p.blocks[i] = blockState{isFull: true, isVerified: true}
	}
	return p
}()

// NewReceiver returns a receiver that is READY at now.
func NewReceiver(now time.Duration, cfg ReceiverConfig) *Receiver {
	cfg.Interval = min(cfg.Interval, wire.BeatInterval) // who says nothing is taken for gone
	cfg.PoolSegments = cmp.Or(cfg.PoolSegments, PoolBytes/cfg.Geometry.SegmentSize())
	r := &Receiver{cfg: cfg, started: now, segments: make(map[uint32]struct{}), bad: make(map[uint32]struct{})}
	r.reportAt = now + time.Duration(cfg.Phase*float64(cfg.Interval))
	if cfg.Mode == wire.File {
		r.End(cfg.Size)
	}
	return r
}

// End tells the stream's size, from END. Blocks that were thought to be of another
// length are forgotten: the caller overwrites what it has of them.
func (r *Receiver) End(size uint64) {
	r.size, r.total, r.isEnded = size, r.cfg.Geometry.Blocks(size), true
	for i, p := range r.pages {
		if p == nil || p == verifiedPage {
			continue
		}
		for k := range p.blocks {
			// Who forges a packet may have said how long its block is.
			n := wire.Block(i*pageBlocks + k)
			if b := &p.blocks[k]; b.count > 0 && !b.isFull && int(b.count) != r.cfg.Geometry.Packets(size, n) {
				*b = blockState{}
			}
		}
	}
	r.next = min(r.next, r.total)
}

// Finished reports whether all of the stream is verified.
func (r *Receiver) Finished() bool { return r.isEnded && r.base >= r.total }

// look returns what is known of a block, nil if nothing.
func (r *Receiver) look(n wire.Block) *blockState {
	if i := n / pageBlocks; int(i) < len(r.pages) && r.pages[i] != nil {
		return &r.pages[i].blocks[n%pageBlocks]
	}
	return nil
}

// touch returns a block's state, new if need be.
func (r *Receiver) touch(n wire.Block) *blockState {
	i := int(n) / pageBlocks
	for i >= len(r.pages) {
		r.pages = append(r.pages, nil)
	}
	if r.pages[i] == nil {
		r.pages[i] = new(page)
	}
	return &r.pages[i].blocks[int(n)%pageBlocks]
}

// Packet takes in the header of an authentic packet that arrived at now, and says
// what to do with its bytes. It allocates nothing but when a block is new.
func (r *Receiver) Packet(now time.Duration, h wire.Header) Verdict {
	if r.counters.BadSegments > 0 && r.isBarred(h.Block) {
		r.counters.Duplicates++
		return Unwanted
	}
	if b := r.look(h.Block); h.Counter >= r.counter && b != nil && !b.isFull && b.count == h.Count && b.have+1 < b.count {
		// Nearly every packet goes this way.
		if word, bit := h.Index/64, uint64(1)<<(h.Index%64); b.seen[word&3]&bit == 0 {
			r.advance(now, h.Counter)
			b.seen[word&3] |= bit
			b.have++
			r.counters.Received++
			return Keep
		}
	}
	isNewest := h.Counter >= r.counter
	if isNewest {
		r.advance(now, h.Counter)
	} else {
		r.late(now, h.Counter)
	}
	v := r.take(h.ID(), h.Count)
	switch {
	case v == NoRoom:
		r.counters.NoRoom++
	case v != Unwanted || isNewest:
		r.counters.Received++
	default:
		r.counters.Duplicates++
	}
	return v
}

// Marked counts a packet that came with the mark of congestion.
func (r *Receiver) Marked() { r.counters.CEMarks++ }

// Overflowed tells the total of packets that the kernel dropped because the socket's
// buffer was full.
func (r *Receiver) Overflowed(total uint64) { r.counters.Overflow = total }

// BadTags tells the total of packets that were not authentic.
func (r *Receiver) BadTags(total uint64) { r.counters.BadTags = total }

// Counters returns what became of the packets so far.
func (r *Receiver) Counters() wire.Counters { return r.counters }

// Repair takes in a data packet that came over the control connection.
func (r *Receiver) Repair(id wire.PacketID) Verdict {
	r.fetching.Remove(id.Number(), id.Number()+1)
	if !r.isEnded {
		return Unwanted
	}
	count := r.cfg.Geometry.Packets(r.size, id.Block)
	if int(id.Index) >= count {
		return Unwanted
	}
	return r.take(id, uint8(count))
}

// take enters a packet into its block.
func (r *Receiver) take(id wire.PacketID, count uint8) Verdict {
	b := r.look(id.Block)
	if b == nil || b.count == 0 && !b.isFull {
		if r.isEnded && (id.Block >= r.total || int(count) != r.cfg.Geometry.Packets(r.size, id.Block)) {
			return Unwanted
		}
		r.next = max(r.next, id.Block+1)
		if !r.admit(id.Block) {
			return NoRoom
		}
		b = r.touch(id.Block)
		b.count = count
	}
	word, bit := id.Index/64, uint64(1)<<(id.Index%64)
	if b.isFull || b.seen[word]&bit != 0 || b.count != count {
		return Unwanted
	}
	b.seen[word] |= bit
	if b.have++; b.have < b.count {
		return Keep
	}
	b.isFull = true
	return Complete
}

// admit reports whether a block's segment has, or gets, room in memory.
func (r *Receiver) admit(n wire.Block) bool {
	seg := uint32(n / wire.SegmentBlocks)
	if _, ok := r.segments[seg]; ok {
		return true
	}
	if len(r.segments) >= r.cfg.PoolSegments || r.isBeyond(seg) {
		return false
	}
	r.segments[seg] = struct{}{}
	return true
}

// isBeyond reports whether a segment is further from the first unwritten one than
// what is written in order may be.
func (r *Receiver) isBeyond(seg uint32) bool {
	return r.cfg.InOrder && seg >= uint32(r.base/wire.SegmentBlocks)+uint32(r.cfg.PoolSegments)
}

// LackOf returns which data packets of a complete block have to be solved for.
func (r *Receiver) LackOf(n wire.Block) (lack wire.Bitmap) {
	if b := r.look(n); b != nil {
		b.lack(&lack)
	}
	return lack
}

// lack adds the data packets that b lacks.
func (b *blockState) lack(m *wire.Bitmap) {
	for i := range wire.Index(b.count) {
		if b.seen[i/64]&(1<<(i%64)) == 0 {
			m.Add(i)
		}
	}
}

// IsSegmentComplete reports whether all blocks of a segment are complete, so that
// its digest can be checked.
func (r *Receiver) IsSegmentComplete(seg uint32) bool {
	first, end := r.segmentBlocks(seg)
	for n := first; n < end; n++ {
		if b := r.look(n); b == nil || !b.isFull {
			return false
		}
	}
	return end > first
}

// segmentBlocks returns the range of a segment's blocks.
func (r *Receiver) segmentBlocks(seg uint32) (first, end wire.Block) {
	first = wire.Block(seg) * wire.SegmentBlocks
	end = first + wire.SegmentBlocks
	if r.isEnded {
		end = min(end, r.total)
	}
	return first, end
}

// SegmentVerified tells that a segment's digest holds and its bytes are where they
// belong: its memory is free. It is also how a segment that was held before the
// session is told, before its first packet.
func (r *Receiver) SegmentVerified(seg uint32) {
	delete(r.segments, seg)
	delete(r.bad, seg)
	first, end := r.segmentBlocks(seg)
	for n := first; n < end; n++ {
		b := r.touch(n)
		if !b.isVerified {
			*b = blockState{isFull: true, isVerified: true, count: b.count}
			r.pages[int(n)/pageBlocks].verified++
		}
	}
	if i := int(first) / pageBlocks; first < end && r.pages[i].verified == pageBlocks {
		r.pages[i] = verifiedPage
	}
	for b := r.look(r.base); b != nil && b.isVerified; b = r.look(r.base) {
		r.base++
	}
}

// isBarred reports whether a block is no longer taken from the group: whoever forged
// some of its segment, or of several, would again.
func (r *Receiver) isBarred(n wire.Block) bool {
	_, isBad := r.bad[uint32(n/wire.SegmentBlocks)]
	return isBad || r.counters.BadSegments >= maxBad
}

// maxBad is how many bad segments make a host leave the multicast.
const maxBad = 3

// SegmentBad tells that a segment's digest did not hold: somebody who has the
// group's key sent other bytes. Its packets are forgotten and come over TLS; after
// three such segments, so does everything. Then the packets of the segments that it
// returns are forgotten too: false ones are likely to be among them, and what is
// fetched to complete those would have to be fetched again.
func (r *Receiver) SegmentBad(seg uint32) (forgotten []uint32) {
	delete(r.segments, seg)
	r.bad[seg] = struct{}{}
	r.counters.BadSegments++
	r.forget(seg)
	if r.counters.BadSegments != maxBad {
		return nil
	}
	r.isAlone = true
	for open := range r.segments {
		if !r.IsSegmentComplete(open) {
			r.forget(open)
			forgotten = append(forgotten, open)
		}
	}
	slices.Sort(forgotten)
	return forgotten
}

// forget forgets the packets of a segment.
func (r *Receiver) forget(seg uint32) {
	first, end := r.segmentBlocks(seg)
	for n := first; n < end; n++ {
		if b := r.look(n); b != nil {
			*b = blockState{}
		}
	}
}

// WantsMulticast reports whether packets of the group are of use: not after too
// many bad segments. The caller need not open what it gets then.
func (r *Receiver) WantsMulticast() bool { return r.counters.BadSegments < maxBad }
