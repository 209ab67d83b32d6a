package transfer

import (
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// check moves what depends on all hosts on: the oldest block that some host
// lacks, the passes, the end.
func (s *Sender) check(now time.Duration) {
	if s.pass == 0 || s.finished {
		return
	}
	oldest, n := s.nextSend, 0
	for _, h := range s.order {
		if h.state == attached && !s.isWhole(h) {
			n++
			oldest = min(oldest, h.oldest)
		}
	}
	if n == 0 && s.pass == 1 && s.away > 0 {
		return // the pass goes on when it is back
	}
	if len(s.group) > 0 { // it is sent to its end, though who lacked it may be gone
		oldest = min(oldest, s.group[0].n)
	}
	s.retire(oldest)
	switch {
	case n > 0:
	case s.cfg.Mode == wire.Stream && !s.isEnded:
		s.carryOn(now)
	case s.pass <= maxPasses && s.inState[waiting] > 0:
		s.nextPass(now)
	default:
		for _, h := range s.order {
			if h.state == waiting {
				s.serveAlone(now, h, h.reason)
			}
		}
		s.finish()
	}
}

func (s *Sender) finish() {
	s.finished = s.inState[alone] == 0 && s.attachedHosts() == 0 && s.away == 0
}

// carryOn goes on with a stream of which more is to come, when nobody is left that it goes
// to: the pace is now that of those that waited. Who hears nothing would wait for ever.
func (s *Sender) carryOn(now time.Duration) {
	if s.inState[waiting] == 0 {
		for _, h := range s.order {
			if h.state == alone {
				s.fail(h, h.reason)
			}
		}
		s.finish()
		return
	}
	for _, h := range s.order {
		if h.state == waiting {
			s.attach(now, h)
			s.oldest = min(s.oldest, h.oldest)
		}
	}
	s.newController(now)
}

// isWhole reports whether an attached host has told that it holds all packets; its
// DONE follows when they are verified and written.
func (s *Sender) isWhole(h *host) bool { return s.isEnded && h.oldest >= s.total }

// nextPass serves those that were detached or came late as a group of their own,
// at a rate of their own.
func (s *Sender) nextPass(now time.Duration) {
	s.pass++
	if s.cfg.Mode == wire.Stream {
		for _, b := range s.blocks {
			s.settle(b)
		}
		s.oldest = s.window
	} else {
		s.dropBlocks()
		s.oldest = 0
	}
	s.wanted, s.planned, s.repairs, s.group = s.wanted[:0], s.planned[:0], s.repairs[:0], s.group[:0]
	s.active = 0
	if s.isEnded {
		s.nextSend, s.nextRead = s.total, s.total
	}
	for _, h := range s.order {
		if h.state == waiting {
			s.attach(now, h)
		}
	}
	s.newController(now)
}

// dropBlocks forgets all blocks: they can be read again.
func (s *Sender) dropBlocks() {
	clear(s.blocks)
	for _, b := range s.loaded {
		if b.inMemory {
			s.evict(b)
		}
	}
	s.loaded = s.loaded[:0]
}

// serveAlone leaves a host to one-to-one repairs.
func (s *Sender) serveAlone(now time.Duration, h *host, r wire.Reason) {
	s.leaveGroup(h)
	if s.isGone(h) {
		s.fail(h, r)
		return
	}
	s.become(h, alone)
	h.since, h.reason = now, r
	s.tell(Event{Kind: Alone, Host: h.id, Reason: r})
}

// Fetch takes in which packets a host wants one to one. What is too much is
// forgotten: the host asks again.
func (s *Sender) Fetch(now time.Duration, id HostID, packets rangeset.Set) {
	h := s.hosts[id]
	if h == nil || h.state >= completed {
		return
	}
	s.noteSign(now, h)
	if h.fetched > fetchBudget*s.packets()+maxFetch {
		s.fail(h, wire.Misbehaved) // it would keep the session up for ever (fault 57)
		return
	}
	for r := range packets.All() {
		if r.Len() > maxFetch-h.owed {
			r.End = r.First + maxFetch - h.owed
		}
		r.End = min(r.End, s.packets())
		if r.End > r.First {
			h.fetch = append(h.fetch, r)
			h.gotAt = now
			h.owed += r.Len()
			s.owing += r.Len()
		}
	}
}

// packets returns how many data packets there are, or have been asked for so far.
func (s *Sender) packets() uint64 {
	if s.isEnded {
		payload := uint64(s.cfg.Geometry.Payload)
		return (s.size + payload - 1) / payload
	}
	return uint64(s.nextRead) * wire.BlockPackets
}

// NextRepair names a packet to be sent to one host as a REPAIR now, if ok. The
// bytes are the caller's to read: the block need not be in memory. Otherwise wait
// is when to ask again. While others are served, repairs take a small share of
// the rate; when no one else is, as much as the connection does.
func (s *Sender) NextRepair(now time.Duration) (to HostID, id wire.PacketID, ok bool, wait time.Duration) {
	if s.pass == 0 || s.owing == 0 {
		return 0, wire.PacketID{}, false, tickTime
	}
	for range s.order {
		s.unicastTurn = (s.unicastTurn + 1) % len(s.order)
		if h := s.order[s.unicastTurn]; h.owed > 0 && h.state < completed {
			if wait := s.takeUnicast(now); wait > 0 {
				return 0, wire.PacketID{}, false, wait
			}
			return h.id, s.nextFetch(h), true, 0
		}
	}
	return 0, wire.PacketID{}, false, tickTime
}

func (s *Sender) takeUnicast(now time.Duration) time.Duration {
	if !s.isGroupServed() {
		return 0
	}
	rate := max(s.ctl.Rate()*repairShare, pace.DefaultMin)
	if !s.hasUnicast {
		s.unicast, s.hasUnicast = pace.NewBucket(s.frame(), rate), true
	}
	s.unicast.SetRate(now, rate)
	return s.unicast.Take(now)
}

// isGroupServed reports whether some host lacks what the group is sent. One that has all
// of it may still fetch a segment that came false.
func (s *Sender) isGroupServed() bool {
	return slices.ContainsFunc(s.order, func(h *host) bool { return h.state == attached && !s.isWhole(h) })
}

// RepairDropped tells that a packet which NextRepair named was not sent after all,
// because the host takes nothing. It asks again, and its budget is the same.
func (s *Sender) RepairDropped(id HostID) {
	if h := s.hosts[id]; h != nil {
		h.fetched--
	}
}

func (s *Sender) nextFetch(h *host) wire.PacketID {
	r := &h.fetch[0]
	id := wire.PacketAt(r.First)
	r.First++
	h.owed--
	h.fetched++
	s.owing--
	if r.First == r.End {
		h.fetch = h.fetch[1:]
	}
	return id
}

// hasPacket reports whether a packet can leave now, the rate aside.
func (s *Sender) hasPacket(now time.Duration) bool {
	if s.attachedHosts() == 0 {
		return false
	}
	patience := 10 * detachAfter
	if !s.isHeard { // nor has anybody ever: a switch may not let the group through, or not yet
		patience = detachAfter
	}
	if now-s.lastProgress > 2*s.interval+patience && now-s.lastAt < idleResend {
		return false // nobody hears anything: one packet at a time, to see when that ends
	}
	return s.settleRepairs() || len(s.group) > 0 || s.beginGroup() || s.canFlush(now)
}

// canFlush reports whether the last packet is to be sent once more, after a pause.
func (s *Sender) canFlush(now time.Duration) bool {
	b := s.blocks[s.lastID.Block]
	return b != nil && b.inMemory && s.flushes < maxFlushes && now-s.lastAt >= flushTime
}
