package transfer

import (
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A block is one that some attached host may lack.
type block struct {
	n        wire.Block
	packets  int  // data packets
	inMemory bool // its bytes are
	isQueued bool // in repairs
	isSent   bool // its data packets were, once, in this pass or before

	// last is one past the counter of the last data packet sent: what reports of
	// before say of the block is not yet true.
	last uint64
	// rows are the counters of the newRows parity rows sent in this pass. oldRows
	// were sent before it; oldRows + newRows <= rowsWanted <= wire.ParityRows.
	rows       [wire.ParityRows]uint64
	newRows    int
	oldRows    int
	rowsWanted int
	again      wire.Bitmap // data packets to send again
	againFrom  wire.Index  // none of them is below
	againLeft  int

	lacks  []lack // maps, until they are acted on
	planAt time.Duration
	// awaited is since when a map is missing, 0 if none is.
	awaited time.Duration
}

// A lack is what one host misses of a block whose rows are used up.
type lack struct {
	host    HostID
	missing wire.Bitmap
	need    int // of the missing: any so many
	isGuess bool
}

// rowsUsed returns how many rows of b have been sent.
func (b *block) rowsUsed() int { return b.oldRows + b.newRows }

// hasRepair reports whether packets of b wait to be sent again.
func (b *block) hasRepair() bool { return b.againLeft > 0 || b.rowsUsed() < b.rowsWanted }

// canEvict reports whether b's bytes are not needed for what is planned.
func (b *block) canEvict() bool { return b.inMemory && b.isSent && !b.hasRepair() }

// NextRead returns a block to read, which the caller answers with BlockReady. It
// has room for it then; ok is false when there is none, or nothing to read. In
// Stream mode blocks are asked for in order and once.
func (s *Sender) NextRead() (n wire.Block, ok bool) {
	if s.pass == 0 || s.finished {
		return 0, false
	}
	for len(s.wanted) > 0 {
		b := s.wanted[0]
		if b.inMemory || s.asked[b.n] || s.blocks[b.n] != b {
			s.wanted = s.wanted[1:]
			continue
		}
		if !s.makeRoom() {
			return 0, false
		}
		s.askFor(b.n)
		s.wanted = s.wanted[1:]
		return b.n, true
	}
	s.skipHeld()
	if s.pass != 1 || s.isEnded && s.nextRead >= s.total ||
		int(s.nextRead-s.nextSend) >= s.ahead() || !s.makeRoom() {
		return 0, false
	}
	b := s.open(s.nextRead)
	s.askFor(b.n)
	s.nextRead++
	return b.n, true
}

// askFor notes a read that is under way. It may outlive the block's state, as when a new
// pass begins; a second one of the same block would come to a buffer that is taken.
func (s *Sender) askFor(n wire.Block) {
	s.asked[n] = true
	s.inMemory++
}

// ahead returns how many blocks are read before they are sent.
func (s *Sender) ahead() int { return min(3*maxDepth, max(s.cfg.PoolBlocks/2, 1)) }

// makeRoom reports whether one more block fits into memory, and evicts one for
// that if it can be read again.
func (s *Sender) makeRoom() bool {
	if s.inMemory < s.cfg.PoolBlocks {
		return true
	}
	if s.cfg.Mode != wire.File {
		return s.moveWindow()
	}
	s.loaded = slices.DeleteFunc(s.loaded, func(b *block) bool { return !b.inMemory })
	for _, b := range s.loaded {
		if b.canEvict() {
			s.evict(b)
			return true
		}
	}
	return false
}

// moveWindow gives up a block of a stream that every attached host holds: until there
// is no room, who comes late can have it.
func (s *Sender) moveWindow() bool {
	for s.window < s.oldest {
		b := s.blocks[s.window]
		s.window++
		if b != nil {
			s.forget(b)
			s.failGone()
			return true
		}
	}
	s.failGone()
	return false
}

func (s *Sender) evict(b *block) {
	b.inMemory = false
	s.inMemory--
	s.tell(Event{Kind: Released, Block: b.n})
}

// open returns the state of a block, new if need be.
func (s *Sender) open(n wire.Block) *block {
	if b := s.blocks[n]; b != nil {
		return b
	}
	b := &block{n: n, packets: wire.BlockPackets, isSent: n < s.nextSend}
	if s.isEnded {
		b.packets = s.cfg.Geometry.Packets(s.size, n)
	}
	if int(n) < len(s.rowsSent) {
		b.oldRows = int(s.rowsSent[n])
		b.rowsWanted = b.oldRows
	}
	s.blocks[n] = b
	return b
}

// BlockReady tells that a block is in memory, with its count of data packets: 192
// but for the stream's last block.
func (s *Sender) BlockReady(now time.Duration, n wire.Block, packets int) {
	delete(s.asked, n)
	b := s.blocks[n]
	if b == nil { // retired while it was being read
		s.inMemory--
		s.tell(Event{Kind: Released, Block: n})
		return
	}
	b.inMemory, b.packets = true, packets
	s.loaded = append(s.loaded, b)
}

// Unread tells that the source had no such block, since it ended before: the size
// is told by End.
func (s *Sender) Unread(n wire.Block) {
	delete(s.asked, n)
	delete(s.blocks, n)
	s.inMemory--
}

// skipHeld passes over blocks that every attached host has said to hold. They are
// passed over again in their turn to be sent.
func (s *Sender) skipHeld() {
	for s.pass == 1 && s.isEnded && s.nextRead < s.total && s.allHold(s.nextRead) {
		s.nextRead++
	}
	if len(s.group) == 0 {
		s.passHeld()
	}
}

// passHeld moves on to the next block to be sent. One that was not read and is lacked
// after all, by a host that has come since, is read now.
func (s *Sender) passHeld() {
	for s.pass == 1 && s.isEnded && s.nextSend < min(s.nextRead, s.total) && s.blocks[s.nextSend] == nil {
		if !s.allHold(s.nextSend) {
			s.wanted = append(s.wanted, s.open(s.nextSend))
			return
		}
		s.nextSend++
	}
}

func (s *Sender) allHold(n wire.Block) bool {
	some := false
	for _, h := range s.order {
		if h.state == attached {
			if !h.held.Contains(uint64(n)) {
				return false
			}
			some = true
		}
	}
	return some
}

// nextData returns the packet that follows in the first pass. hasPacket was true.
func (s *Sender) nextData(c uint64) wire.PacketID {
	b := s.group[s.groupTurn]
	id := wire.PacketID{Block: b.n, Index: wire.Index(s.groupIdx)}
	b.last = c + 1
	s.newData = c + 1
	s.groupTurn++
	s.settleGroup()
	return id
}

// settleGroup moves on to a packet of the group that exists, or ends the group.
func (s *Sender) settleGroup() {
	for len(s.group) > 0 {
		if s.groupTurn == len(s.group) {
			s.groupTurn = 0
			s.groupIdx++
		}
		if s.groupIdx >= wire.BlockPackets {
			s.endGroup()
			return
		}
		if s.groupIdx < s.group[s.groupTurn].packets {
			return
		}
		s.groupTurn++
	}
}

// beginGroup interleaves the next blocks that are in memory.
func (s *Sender) beginGroup() bool {
	blockTime := s.ctl.Rate().Time(float64(s.frame() * wire.BlockPackets))
	depth := max(1, min(int(depthTime/max(blockTime, 1)), maxDepth))
	for len(s.group) < depth {
		s.passHeld()
		b := s.blocks[s.nextSend]
		if b == nil || !b.inMemory {
			break
		}
		s.group = append(s.group, b)
		s.nextSend++
	}
	s.groupTurn, s.groupIdx = 0, 0
	return len(s.group) > 0
}

func (s *Sender) endGroup() {
	for _, b := range s.group {
		b.isSent = true
		s.rowsAhead(b)
	}
	s.group = s.group[:0]
}

// noteRows remembers how many rows of a block were sent, for the next pass.
func (s *Sender) noteRows(b *block) {
	for int(b.n) >= len(s.rowsSent) {
		s.rowsSent = append(s.rowsSent, 0)
	}
	s.rowsSent[b.n] = uint8(b.rowsUsed())
}

// retire forgets the blocks that every attached host holds.
func (s *Sender) retire(until wire.Block) {
	for ; s.oldest < until; s.oldest++ {
		switch b := s.blocks[s.oldest]; {
		case b == nil:
		case s.cfg.Mode == wire.Stream && b.inMemory:
			s.settle(b)
		default:
			s.forget(b)
		}
	}
}

// settle drops what was planned for a block: nobody lacks it any more.
func (s *Sender) settle(b *block) {
	if b.isQueued {
		b.isQueued = false
		s.active--
	}
	b.rowsWanted, b.again, b.againFrom, b.againLeft, b.lacks = b.rowsUsed(), wire.Bitmap{}, 0, 0, b.lacks[:0]
}

func (s *Sender) forget(b *block) {
	if b.inMemory {
		s.evict(b)
	}
	s.settle(b)
	delete(s.blocks, b.n)
}
