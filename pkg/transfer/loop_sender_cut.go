package transfer

import (
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// leastCut is the least payload that packets are made smaller to because of a receiver's
// network: that of an MTU of 1280, which tunnels leave. With less, all would pay for one.
const leastCut = 1280 - wire.IPOverhead - wire.Overhead

// sawSmall is how many small canaries have to have come before full ones are known to
// be lost by their size.
const sawSmall = 3

// cut sets the size of the packets, and with it all that depends on it: before the
// source is read.
func (s *sending) cut(payload uint16) {
	s.g = wire.Geometry{Payload: payload}
	s.run = make([]byte, 0, maxRun*s.datagram())
	s.rows = newRowCache(s.g)
	rowBytes := maxActive * wire.ParityRows * int(payload)
	n := max((s.cfg.Memory-rowBytes)/s.g.BlockSize(), 2*maxDepth)
	s.pool = newBlockPool(s.g, n)
	s.asked = make(chan wire.Block, n)
	s.core = NewSender(SenderConfig{
		Geometry: s.g, Mode: s.mode(), Size: uint64(s.src.Size), Receivers: s.expected(), PoolBlocks: n,
		MaxRate: s.cfg.MaxRate, Slow: s.cfg.Slow, MinRate: s.cfg.MinRate, Quorum: s.cfg.Quorum,
	})
	s.welcome.Geometry = s.g
	if s.src.isStream() {
		s.welcome.Window = uint32(n)
	}
}

func (s *sending) mode() wire.Mode {
	if s.src.isStream() {
		return wire.Stream
	}
	return wire.File
}

// recut makes the packets smaller of a session that has members and no data yet, and
// tells them by another WELCOME. It reports whether that was possible.
func (s *sending) recut(now time.Duration, payload uint16) bool {
	if s.isBegun || s.isReading || payload >= s.g.Payload || uint64(s.src.Size) > (wire.Geometry{Payload: payload}).MaxSize() {
		return false
	}
	s.flushRun()
	s.cut(payload)
	s.core.counter = s.sealer.Next()
	for _, p := range s.peers {
		if p.isOver {
			continue
		}
		p.seen, p.isRecut = 0, true
		s.say(p, s.welcome)
		if p.isReady && !p.isOver {
			s.core.Join(now, p.id, p.held)
		}
	}
	s.canaries.again(now)
	s.canaries.safeBy = 0
	return true
}

// fitPeer makes the packets as small as a receiver's network takes that is about to
// be let in (fault 37).
func (s *sending) fitPeer(p *peer) {
	p.mtu = pathMTU(p.c.tls.NetConn())
	if p.mtu > 0 && p.isFit() && s.recut(s.clock.now(), payloadFor(p.mtu)) {
		s.log.Warn("packets are made smaller for a receiver's network", "receiver", p.name, "mtu", p.mtu)
	}
}

// isFit reports whether a receiver's network may take packets as small as they get.
func (p *peer) isFit() bool { return p.mtu == 0 || p.mtu >= leastCut+wire.IPOverhead+wire.Overhead }

// isNarrow reports whether a receiver has told of small canaries only, and smaller
// packets may help it.
func (p *peer) isNarrow() bool { return p.isReady && !p.isOver && p.isFit() && sawSmallOnly(p.seen) }

// isUnsure reports whether the packets may have to be smaller for a receiver that has not
// told enough yet.
func (s *sending) isUnsure() bool {
	return !s.isReading && s.g.Payload > leastCut && slices.ContainsFunc(s.peers, (*peer).isNarrow)
}

// fitCanaries makes the packets smaller if a receiver gets small ones only: some MTU on
// the way is less than either end knows. It reports whether it did.
func (s *sending) fitCanaries(now time.Duration) bool {
	for _, p := range s.peers {
		if p.isNarrow() && smallSeen(p.seen) >= sawSmall && s.recut(now, leastCut) {
			s.log.Warn("packets are made smaller: full ones do not reach a receiver, see the MTU on the way to it",
				"receiver", p.name, "mtu", p.mtu, "packet", s.datagram()+wire.IPOverhead)
			return true
		}
	}
	return false
}

// smallSeen returns how many small canaries came through.
func smallSeen(seen uint64) (n int) {
	for r := range canaryRounds {
		n += int(seen >> (r * canaryRound) & 1)
	}
	return n
}

// startReading has the source read: from now on the size of the packets is settled.
func (s *sending) startReading() {
	if !s.isReading {
		s.isReading = true
		s.work.Go(s.readSource)
		s.work.Go(s.repair)
	}
}
