package transfer

import (
	"fmt"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

const (
	// canaryWait is how long the start waits for the hosts to tell about the
	// canaries, before data is sent in the safe form.
	canaryWait = 50 * time.Millisecond
	// sureWait is how much longer while some host has told of small ones only: it may
	// just be slow to tell of the rest, and would get a copy of its own.
	sureWait = time.Second
	// canaryFirst and canaryLater are the times between rounds of canaries,
	// before the start and after it.
	canaryFirst = 10 * time.Millisecond
	canaryLater = 200 * time.Millisecond
	// canaryRound is the number of canaries in a round: a small one, a full one
	// alone, and the rest as a run that the kernel, or the network card, has to cut.
	canaryRound  = 5
	canaryAlone  = 2 // the first two of them
	canaryRounds = wire.MaxCanaries / canaryRound
	// smallCanary is the payload of the small one: it passes where IPv4 does.
	smallCanary = 400

	// flushEvery and flushPerPeer are the time between two SEGMENTS while data
	// flows: a segment stays in the receivers' memory until its digest is there.
	flushEvery   = 2 * time.Millisecond
	flushPerPeer = 20 * time.Microsecond
	showEvery    = 100 * time.Millisecond
)

// canaries is how far the proof of UDP_SEGMENT has come. Some kernels and cards
// corrupt what they cut, and only who receives it can tell.
type canaries struct {
	round   int
	at      time.Duration // of the next round
	left    int           // rounds, for who joined last
	safeBy  time.Duration // when the start no longer waits for them
	segment bool          // UDP_SEGMENT is in use
}

// again has canaries sent for somebody who has just joined.
func (c *canaries) again(now time.Duration) {
	c.at, c.left = now, canaryRounds
}

// payloadFor returns the payload of packets that leave by an interface with some MTU:
// the default, or what fits.
func payloadFor(mtu int) uint16 {
	return uint16(max(wire.MinPayload, min(wire.DefaultPayload, mtu-wire.IPOverhead-wire.Overhead)))
}

// heard draws conclusions from a report: every host that hears the group at all
// has to have had each part of a run.
func (c *canaries) heard(s *sending) {
	hearing, whole := 0, 0
	for _, p := range s.peers {
		if p.isOver || !p.isReady || p.seen == 0 {
			continue
		}
		hearing++
		if sawRun(p.seen) {
			whole++
		}
	}
	segment := hearing > 0 && whole == hearing
	if segment == c.segment {
		return
	}
	c.segment = segment
	s.tx.SetSegment(segment)
}

// places returns the places of a round, bit by bit, that came through in some round.
func places(seen uint64) (places uint64) {
	const all = 1<<canaryRound - 1
	for r := range canaryRounds {
		places |= seen >> (r * canaryRound) & all
	}
	return places
}

// sawRun reports whether each place of a run came through in some round.
func sawRun(seen uint64) bool {
	const run = 1<<canaryRound - 1<<canaryAlone
	return places(seen)&run == run
}

// sawSmallOnly reports whether none but small canaries came through: what is full is
// larger than some MTU on the way (fault 37).
func sawSmallOnly(seen uint64) bool { return places(seen) == 1 }

// isProven reports whether every ready host confirmed runs.
func (s *sending) isProven() bool {
	for _, p := range s.peers {
		if p.isReady && !p.isOver && !sawRun(p.seen) {
			return false
		}
	}
	return true
}

// sendCanaries sends a round, if one is due, and returns when the next one is.
func (s *sending) sendCanaries(now time.Duration) time.Duration {
	c := &s.canaries
	if c.left == 0 || s.isProven() {
		return time.Second
	}
	if now < c.at {
		return c.at - now
	}
	s.flushRun()
	payload := make([]byte, s.g.Payload)
	for i := range canaryRound {
		body := payload
		switch i {
		case 0:
			body = payload[:smallCanary]
		case canaryAlone:
			s.flushRun() // those before are alone
			s.tx.SetSegment(true)
		}
		index := wire.Index(c.round%canaryRounds*canaryRound + i)
		s.core.Sealed(now)
		s.addToRun(wire.Header{Type: wire.Canary, Index: index}, body)
	}
	s.flushRun()
	s.tx.SetSegment(c.segment)
	c.round++
	c.left--
	gap := canaryFirst
	if s.isBegun {
		gap = canaryLater
	}
	c.at = now + gap
	return gap
}

// prepare waits for the receivers, proves the way to them, and begins. It returns
// when to be called again.
func (s *sending) prepare(now time.Duration) time.Duration {
	ready := 0
	for _, p := range s.peers {
		if p.isReady && (!p.isOver || p.result.Done) { // an empty stream is done at once
			ready++
		}
	}
	wait := s.sendCanaries(now)
	s.tell(now)
	switch {
	case ready < s.expected() && now < s.joinBy:
		return min(wait, s.joinBy-now)
	case ready == 0:
		s.fatal = ErrNobody
		return 0
	case s.awaitsResume() && now < s.joinBy:
		return min(wait, s.joinBy-now)
	case ready < s.cfg.Quorum && now >= s.joinBy:
		s.fatal = fmt.Errorf("%w of %d joined: %d", ErrQuorum, s.cfg.Quorum, ready)
		return 0
	case ready < s.expected() && s.canaries.safeBy == 0:
		s.log.Warn("not all receivers have joined", "joined", ready, "expected", s.expected())
	}
	if s.canaries.safeBy == 0 {
		s.canaries.safeBy = now + canaryWait
	}
	if !s.isProven() && now < s.canaries.safeBy {
		return min(wait, s.canaries.safeBy-now)
	}
	if s.fitCanaries(now) || s.isUnsure() && now < s.canaries.safeBy+sureWait {
		return min(wait, canaryFirst)
	}
	s.log.Info("sending", "receivers", ready, "segmentation", s.canaries.segment)
	s.isBegun, s.began = true, now
	s.startReading()
	s.core.Start(now)
	return 0
}

// tell sends what is due to all: digests, beats, canaries, progress.
func (s *sending) tell(now time.Duration) {
	if s.isBegun {
		s.sendCanaries(now)
	}
	if s.flushed < len(s.digests) && now-s.flushAt >= flushEvery+time.Duration(len(s.byID))*flushPerPeer {
		s.flush(now)
	}
	if now-s.beatAt >= wire.BeatInterval {
		s.beatAt = now
		for _, p := range s.peers {
			if !p.isOver {
				s.say(p, wire.Beat{Sent: s.sealer.Next()})
			}
		}
	}
	if s.cfg.Progress != nil && s.isBegun && now-s.showAt >= showEvery {
		s.showAt = now
		s.cfg.Progress(s.sentBytes())
	}
}

// sentBytes returns how much of the stream has left at least once.
func (s *sending) sentBytes() int64 {
	n := int64(s.sentTo) * int64(s.g.BlockSize())
	if s.end != nil {
		n = min(n, int64(s.end.Size))
	}
	return n
}

// flush tells all ready peers the digests that they do not know, and the end.
func (s *sending) flush(now time.Duration) {
	s.flushAt, s.flushed = now, len(s.digests)
	for _, p := range s.peers {
		if p.isReady && !p.isOver {
			s.catchUp(p)
		}
	}
}

// catchUp tells one peer what it does not know.
func (s *sending) catchUp(p *peer) {
	for p.told < len(s.digests) && !p.isOver {
		n := min(len(s.digests)-p.told, wire.MaxDigests)
		s.say(p, wire.Segments{First: uint32(p.told), Digests: s.digests[p.told : p.told+n]})
		p.told += n
	}
	if s.end != nil && !p.isOver {
		s.say(p, *s.end)
	}
}
