package transfer

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// want takes in that a host needs d more packets of a block, as of counter.
func (s *Sender) want(h *host, n wire.Block, d int, counter uint64) {
	b := s.blocks[n]
	if b == nil {
		if n >= s.nextSend || s.pass > 1 && len(s.blocks) >= maxActive || s.active+len(s.planned) >= maxActive {
			return
		}
		if s.cfg.Mode == wire.Stream {
			return // it has left the window
		}
		b = s.open(n)
	}
	if !b.isSent || b.last > counter || b.againLeft > 0 {
		return // more of it is on its way to the host
	}
	passed := b.oldRows
	for _, c := range b.rows[:b.newRows] {
		if c < counter {
			passed++
		}
	}
	switch target := passed + d; {
	case d >= b.packets:
		s.lack(h, b, lack{host: h.id, missing: allOf(b.packets), need: d})
	case target <= wire.ParityRows:
		if target > b.rowsWanted {
			h.asked += uint64(target - b.rowsWanted)
			b.rowsWanted = target
			s.queue(b)
		}
	case b.rowsWanted < wire.ParityRows:
		h.asked += uint64(wire.ParityRows - b.rowsWanted)
		b.rowsWanted = wire.ParityRows
		s.queue(b)
	case passed == wire.ParityRows:
		s.await(h, b, d)
	}
}

// await notes that the rows of a block are used up and a host still lacks d
// packets: its map is about to come, with this report or the next. A host that
// saw none of the last rows sends none; then all is sent again.
func (s *Sender) await(h *host, b *block, d int) {
	for i := range b.lacks {
		if l := &b.lacks[i]; l.host == h.id {
			if !l.isGuess {
				l.need = d
			}
			return
		}
	}
	switch {
	case b.awaited == 0:
		b.awaited = max(h.heard, 1)
	case h.heard-b.awaited > 3*s.interval && b.n < h.oldest+wire.SegmentBlocks:
		s.lack(h, b, lack{host: h.id, missing: allOf(b.packets), need: b.packets, isGuess: true})
	}
}

func allOf(packets int) (m wire.Bitmap) {
	for i := range packets {
		m.Add(wire.Index(i))
	}
	return m
}

// Map takes in which data packets of a block a host lacks. It belongs to the
// host's last report.
func (s *Sender) Map(now time.Duration, id HostID, m wire.Map) {
	h, b := s.hosts[id], s.blocks[m.Block]
	if h == nil || b == nil || h.state != attached || !b.isSent || b.last > h.counter || b.againLeft > 0 {
		return
	}
	if b.rowsUsed() < wire.ParityRows || b.newRows > 0 && b.rows[b.newRows-1] >= h.counter {
		return
	}
	for i := b.packets; i < wire.BlockPackets; i++ {
		if m.Missing.Has(wire.Index(i)) {
			return // there is no such packet
		}
	}
	if need, ok := h.deficit(m.Block); ok {
		s.lack(h, b, lack{host: id, missing: m.Missing, need: need})
	}
}

// lack keeps what one host misses of a block until the others have told too.
func (s *Sender) lack(h *host, b *block, l lack) {
	b.awaited = 0
	i := slices.IndexFunc(b.lacks, func(o lack) bool { return o.host == h.id })
	if i >= 0 {
		b.lacks[i] = l
		return
	}
	if len(b.lacks) == 0 {
		b.planAt = h.heard
		if s.attachedHosts() > 1 {
			b.planAt += s.interval + s.interval/8
		}
		s.planned = append(s.planned, b)
	}
	b.lacks = append(b.lacks, l)
}

// planRepairs turns maps that were collected for long enough into packets.
func (s *Sender) planRepairs(now time.Duration) {
	s.prune()
	s.planned = slices.DeleteFunc(s.planned, func(b *block) bool {
		if s.blocks[b.n] != b || len(b.lacks) == 0 {
			return true
		}
		if b.planAt > now || s.active >= maxActive {
			return false
		}
		for _, l := range b.lacks {
			h := s.hosts[l.host]
			switch {
			case h == nil:
			case l.need >= b.packets && !l.isGuess:
				h.askedWhole += uint64(l.need)
			default:
				h.asked += uint64(l.need)
			}
		}
		b.plan()
		s.queue(b)
		return true
	})
}

// prune forgets blocks that no attached host lacks any more, in a pass where blocks
// are taken up as hosts ask for them: others wait for their place.
func (s *Sender) prune() {
	if s.pass < 2 || len(s.blocks) < maxActive || s.cfg.Mode == wire.Stream {
		return
	}
	for _, n := range slices.Sorted(maps.Keys(s.blocks)) {
		if b := s.blocks[n]; !b.hasRepair() && len(b.lacks) == 0 && !s.isLacked(n) {
			s.forget(b)
		}
	}
}

// isLacked reports whether an attached host may lack a block.
func (s *Sender) isLacked(n wire.Block) bool {
	for _, h := range s.order {
		if h.state != attached || n < h.oldest {
			continue
		}
		if _, ok := h.deficit(n); ok || n >= h.next {
			return true
		}
	}
	return false
}

// plan chooses data packets to send again, so that each host gets as many of
// those that it lacks as it needs: first those that the most hosts lack.
func (b *block) plan() {
	var count [wire.BlockPackets]int
	for left := len(b.lacks); left > 0; {
		clear(count[:])
		left = 0
		for i := range b.lacks {
			if l := &b.lacks[i]; l.need > 0 {
				left++
				l.tally(&count, b)
			}
		}
		best := -1
		for i := range b.packets {
			if count[i] > 0 && (best < 0 || count[i] > count[best]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		b.sendAgain(wire.Index(best))
	}
	b.lacks = b.lacks[:0]
	b.againFrom = 0
}

// tally counts what l's host lacks and is not yet to be sent.
func (l *lack) tally(count *[wire.BlockPackets]int, b *block) {
	for i := range b.packets {
		if l.missing.Has(wire.Index(i)) && !b.again.Has(wire.Index(i)) {
			count[i]++
		}
	}
}

// sendAgain takes up a packet.
func (b *block) sendAgain(i wire.Index) {
	b.again.Add(i)
	b.againLeft++
	for k := range b.lacks {
		if l := &b.lacks[k]; l.need > 0 && l.missing.Has(i) {
			l.need--
		}
	}
}

// queue puts a block among those with packets to send again.
func (s *Sender) queue(b *block) {
	if !b.isQueued && b.hasRepair() {
		b.isQueued = true
		s.active++
		s.repairs = append(s.repairs, b)
	}
	if !b.inMemory && !s.asked[b.n] {
		s.wanted = append(s.wanted, b)
	}
}

// settleRepairs drops what is done from the queue and leaves repairTurn at a
// block with a packet to send now; ok is false if there is none.
func (s *Sender) settleRepairs() (ok bool) {
	for tried := 0; tried < len(s.repairs); {
		if s.repairTurn >= len(s.repairs) {
			s.repairTurn = 0
		}
		b := s.repairs[s.repairTurn]
		if !b.isQueued || !b.hasRepair() {
			if b.isQueued {
				b.isQueued = false
				s.active--
			}
			s.repairs = slices.Delete(s.repairs, s.repairTurn, s.repairTurn+1)
			continue
		}
		if b.inMemory {
			return true
		}
		tried++
		s.repairTurn++
	}
	return false
}

// nextRepair returns the next packet to be sent again, if any.
func (s *Sender) nextRepair(c uint64) (id wire.PacketID, ok bool) {
	if !s.settleRepairs() {
		return wire.PacketID{}, false
	}
	b := s.repairs[s.repairTurn]
	s.repairTurn++
	if b.againLeft == 0 {
		row := b.rowsUsed()
		b.rows[b.newRows] = c
		b.newRows++
		s.noteRows(b)
		return wire.PacketID{Block: b.n, Index: wire.ParityIndex(row)}, true
	}
	for !b.again.Has(b.againFrom) {
		b.againFrom++
	}
	id = wire.PacketID{Block: b.n, Index: b.againFrom}
	b.againFrom++
	if b.againLeft--; b.againLeft == 0 {
		b.again = wire.Bitmap{}
	}
	b.last = c + 1
	return id, true
}

// Rows returns the parity rows of a block that are to be sent next: from row
// first, n of them. A caller that is asked for the first encodes all at once.
func (s *Sender) Rows(n wire.Block) (first, count int) {
	if b := s.blocks[n]; b != nil {
		return b.rowsUsed(), b.rowsWanted - b.rowsUsed()
	}
	return 0, 0
}

// rowsAhead schedules rows for a block at the end of the stream, before any host
// has asked: asking takes longer than sending them.
func (s *Sender) rowsAhead(b *block) {
	if !s.isEnded {
		return
	}
	wait := s.interval + tailTime
	if s.ctl.Rate().Time(float64(s.total-b.n)*float64(s.frame()*wire.BlockPackets)) > wait {
		return
	}
	mean, worst := s.lossRates()
	n := float64(s.attachedHosts())
	rows := max(rowsFor(b.packets, mean, n), rowsFor(b.packets, worst, 1))
	if rows = min(rows, wire.ParityRows/2); rows > b.rowsWanted {
		b.rowsWanted = rows
		s.queue(b)
	}
}

// rowsFor returns how many rows n hosts that each lose a share p of their packets
// need, so that a further round is unlikely.
func rowsFor(packets int, p, n float64) int {
	if p <= 0 {
		return 0
	}
	for r := range wire.ParityRows {
		if n*poissonTail(float64(packets+r)*p, r) < 0.1 {
			return r
		}
	}
	return wire.ParityRows
}

// poissonTail returns the probability of more than r events, where mean are
// expected.
func poissonTail(mean float64, r int) float64 {
	term, sum := math.Exp(-mean), 0.0
	for i := 0; i <= r; i++ {
		sum += term
		term *= mean / float64(i+1)
	}
	return max(1-sum, 0)
}
