package transfer

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// maxRun is how many datagrams leave in one call: as many full ones as a UDP
// message of UDP_SEGMENT takes.
const maxRun = 44

// ask has the source's goroutine read what the core wants.
func (s *sending) ask() {
	for {
		n, ok := s.core.NextRead()
		if !ok {
			return
		}
		s.act()      // what was evicted for it is free before it is read
		s.asked <- n // has room: the core bounds what is asked for
	}
}

// readSource runs on a goroutine of its own.
func (s *sending) readSource() {
	r := newSourceReader(s.g, s.src, s.pool, s)
	r.survey = s.survey
	if err := r.run(s.asked); err != nil {
		s.post(func() { s.fatal = err })
	}
}

// blockRead implements sourceEvents, like the next three.
func (s *sending) blockRead(b *blockBuffer) {
	s.post(func() {
		s.blocks[b.number] = b
		s.core.BlockReady(s.clock.now(), b.number, b.packets(s.g))
	})
}

func (s *sending) blockMissing(n wire.Block) { s.post(func() { s.core.Unread(n) }) }

func (s *sending) segmentRead(_ uint32, d wire.Digest) {
	s.post(func() { s.digests = append(s.digests, d) })
}

func (s *sending) sourceEnded(e wire.End) {
	s.post(func() {
		s.end = &e
		s.core.End(s.clock.now(), e.Size)
		s.flush(s.clock.now())
	})
}

// release frees a block's buffer.
func (s *sending) release(n wire.Block) {
	s.rows.drop(n)
	if b := s.blocks[n]; b != nil {
		delete(s.blocks, n)
		s.pool.put(b)
	}
}

// sendPackets sends what may leave now, at most a run, and returns when there may
// be more. It allocates nothing.
func (s *sending) sendPackets(now time.Duration) (wait time.Duration) {
	for s.inRun < maxRun {
		id, ok, w := s.core.NextPacket(now)
		if !ok {
			wait = w
			break
		}
		if !s.seal(id) {
			return 0
		}
	}
	s.flushRun()
	return wait
}

// seal adds a packet to the run; after a short one, which can only be the last of
// a run, the run leaves. It reports whether all is well.
func (s *sending) seal(id wire.PacketID) bool {
	b := s.blocks[id.Block]
	h := wire.Header{Type: wire.Data, Count: uint8(b.packets(s.g)), Block: id.Block, Index: id.Index}
	if b.last {
		h.Flags = wire.FlagLast
	}
	var payload []byte
	switch {
	case id.Index.IsParity():
		h.Type = wire.Parity
		_, more := s.core.Rows(id.Block)
		payload = s.rows.row(b, id.Index.Row(), more)
		s.result.Parity++
	default:
		payload = b.packet(s.g, id.Index)
		s.dataSent++
		s.sentTo = max(s.sentTo, id.Block+1)
	}
	return s.addToRun(h, payload)
}

func (s *sending) addToRun(h wire.Header, payload []byte) bool {
	run, err := s.sealer.Seal(s.run, h, payload)
	if err != nil {
		s.fatal = err
		return false
	}
	s.run = run
	s.inRun++
	s.result.Packets++
	if len(payload) < int(s.g.Payload) || s.inRun == maxRun {
		s.flushRun()
	}
	return s.fatal == nil
}

// flushRun sends the run.
func (s *sending) flushRun() {
	if len(s.run) > 0 {
		s.core.Left(s.inRun, s.clock.now())
		if err := s.tx.SendRun(s.run, s.datagram()); err != nil {
			s.fatal = err
		}
	}
	s.run, s.inRun = s.run[:0], 0
}
