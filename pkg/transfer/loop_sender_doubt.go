package transfer

import (
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// Who comes by a token from the address of a receiver that is in the session may be the
// same host, started again: its first process died without a word, as at a power cut, and
// each process makes a key of its own. That receiver is in doubt then. It says something
// every wire.BeatInterval if it lives; what it said before it died may be read a little
// later than the other came.
const (
	doubtGrace = 500 * time.Millisecond
	doubtTime  = doubtGrace + wire.BeatInterval + time.Second
)

// doubt has a receiver of an address prove that it lives, if there is one, and returns it.
// The BEAT makes a host that no longer knows the connection say so at once.
func (s *sending) doubt(addr netip.Addr) *peer {
	if len(s.cfg.Hosts) > 0 {
		return nil // who they are is known by their pins
	}
	for _, p := range s.peers {
		if p.addr != addr || p.isOver || p.doubtedAt > 0 {
			continue
		}
		at := max(s.clock.now(), 1)
		p.doubtedAt = at
		time.AfterFunc(doubtTime, func() { s.post(func() { s.endDoubt(p, at) }) })
		s.say(p, wire.Beat{Sent: s.sealer.Next()})
		return p
	}
	return nil
}

// lives notes that a receiver has said something.
func (p *peer) lives(now time.Duration) {
	if p.doubtedAt > 0 && now-p.doubtedAt > doubtGrace {
		p.doubtedAt, p.hasHeir = 0, false
	}
}

// endDoubt gives up a receiver that has said nothing since it was in doubt.
func (s *sending) endDoubt(p *peer, at time.Duration) {
	if !p.isOver && p.doubtedAt == at {
		s.log.Warn("receiver connected again, the older connection ends", "receiver", p.name)
		s.expect(p)
		s.dismiss(p, wire.Replaced, "")
	}
}

// seat lets in who waits for the place of one in doubt, as places become free, and
// refuses those for whom none will.
func (s *sending) seat() {
	for len(s.waiting) > 0 && s.active() < s.expected() {
		c := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.admit(c)
	}
	for len(s.waiting) > s.inDoubt() {
		last := len(s.waiting) - 1
		s.refuse(s.waiting[last], isFull)
		s.waiting = s.waiting[:last]
	}
}

// inDoubt returns how many receivers have to prove that they live.
func (s *sending) inDoubt() (n int) {
	for _, p := range s.peers {
		if !p.isOver && p.doubtedAt > 0 {
			n++
		}
	}
	return n
}
