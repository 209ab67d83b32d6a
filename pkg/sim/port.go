package sim

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A packet is one that came out of a port, or will.
type packet struct {
	at      time.Duration // arrives at the hosts
	header  wire.Header
	marked  bool
	payload []byte // nil without Config.Bytes
}

// A port is a queue in front of a link.
type port struct {
	Port
	frame int
	busy  time.Duration // until then the link is busy with what is queued; before now, there is a burst to spend
	log   []packet      // not yet taken by all hosts; arrivals ascend
	hosts []*host

	unmarked   float64 // bytes that may pass without a mark, of MarkOver
	unmarkedAt time.Duration
}

// markBurst is what passes a policer unmarked after a pause, in bytes: a sender's bursts.
const markBurst = 64 << 10

// marks reports whether a packet that comes at now is marked, with a backlog before it.
func (p *port) marks(now time.Duration, backlog float64) bool {
	if p.MarkOver == 0 {
		return p.MarkFrom > 0 && int(backlog) >= p.MarkFrom
	}
	p.unmarked = min(p.unmarked+float64(p.MarkOver)*(now-p.unmarkedAt).Seconds(), markBurst)
	p.unmarkedAt = now
	if p.unmarked < float64(p.frame) {
		return true
	}
	p.unmarked -= float64(p.frame)
	return false
}

// backlog returns the bytes that wait at now.
func (p *port) backlog(now time.Duration) float64 {
	if p.busy <= now {
		return 0
	}
	return (p.busy - now).Seconds() * float64(p.Rate)
}

// enter queues a packet that comes from the switch at now, and reports whether
// there was room.
func (p *port) enter(now time.Duration, k packet) bool {
	if p.ChangeAt > 0 && now >= p.ChangeAt {
		p.Rate, p.ChangeAt = p.ChangeRate, 0
	}
	backlog := p.backlog(now)
	if int(backlog)+p.frame > p.Queue {
		return false
	}
	k.marked = p.marks(now, backlog)
	k.at = p.occupy(now)
	p.log = append(p.log, k)
	return true
}

// occupy takes the link for one packet and returns when that arrives.
func (p *port) occupy(now time.Duration) time.Duration {
	p.busy = max(p.busy, now-p.Rate.Time(float64(p.Burst))) + p.Rate.Time(float64(p.frame))
	return max(p.busy, now) + p.Delay
}

// poll lets all hosts take what has arrived, and forgets it.
func (p *port) poll(now time.Duration) {
	for _, h := range p.hosts {
		h.take(now)
	}
	least := len(p.log)
	for _, h := range p.hosts {
		least = min(least, h.taken)
	}
	if least == 0 {
		return
	}
	p.log = append(p.log[:0], p.log[least:]...)
	for _, h := range p.hosts {
		h.taken -= least
	}
}
