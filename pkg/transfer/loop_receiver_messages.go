package transfer

import (
	"fmt"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// hear takes in a message.
func (r *reception) hear(m wire.Message) {
	if r.isOver {
		return
	}
	switch m := m.(type) {
	case wire.Welcome:
		r.recut(m)
	case wire.Segments:
		r.learn(m)
	case wire.End:
		r.learnEnd(m)
	case wire.Repair:
		r.mend(m)
	case wire.Detach:
		r.detach(m)
	case wire.Beat:
	case wire.Bye:
		r.isOver = true
		if m.Reason != wire.Finished || !r.isDone {
			r.err = &ByeError{m.Reason, m.Text}
		}
	default:
		r.fail(wire.Misbehaved, unexpected(m))
	}
}

// learn takes in digests, which come once and in order over each connection.
func (r *reception) learn(m wire.Segments) {
	known := min(len(r.digests)-r.learned, len(m.Digests))
	if int(m.First) != r.learned || r.end != nil && known < len(m.Digests) ||
		!slices.Equal(m.Digests[:known], r.digests[r.learned:r.learned+known]) {
		r.fail(wire.Misbehaved, fmt.Errorf("%w: digests from %d, after %d", wire.ErrFormat, m.First, r.learned))
		return
	}
	r.learned += len(m.Digests)
	fresh := m.Digests[known:]
	first := uint32(len(r.digests))
	r.digests = append(r.digests, fresh...)
	for i, d := range fresh {
		r.root.Add(d)
		r.checkSegment(first + uint32(i))
	}
	r.claim()
}

func (r *reception) learnEnd(m wire.End) {
	if r.end != nil {
		switch {
		case m != *r.end:
			r.fail(wire.Misbehaved, fmt.Errorf("%w: another END", wire.ErrFormat))
		case r.isDone: // over a connection that broke
			r.say(wire.Done{Root: r.end.Root, Counters: r.core.Counters()})
		}
		return
	}
	if isFile := r.welcome.Mode == wire.File; isFile && m.Size != r.welcome.Size || m.Size > r.g.MaxSize() || m.Segments != r.g.Segments(m.Size) {
		r.fail(wire.Misbehaved, fmt.Errorf("%w: an end of %d bytes in %d segments", wire.ErrFormat, m.Size, m.Segments))
		return
	}
	r.end = &m
	r.core.End(m.Size)
	open := make([]uint32, 0, len(r.segments))
	for seg := range r.segments {
		open = append(open, seg)
	}
	slices.Sort(open)
	for _, seg := range open {
		r.checkSegment(seg)
	}
	r.claim()
	r.checkEnd()
}

// mend takes in a packet that came over the connection.
func (r *reception) mend(m wire.Repair) {
	if !r.core.isEnded || len(m.Payload) != r.g.PayloadLen(r.core.size, m.Packet) {
		return
	}
	r.result.Repairs++
	count := r.g.Packets(r.core.size, m.Packet.Block)
	v := r.core.Repair(m.Packet)
	if v == Keep || v == Complete {
		r.result.RepairBytes += int64(len(m.Payload))
	}
	r.keep(v, m.Packet, count, m.Payload)
	r.fetch(r.clock.now())
}

// detach takes in that the others do not wait for us, or that multicast is over for us.
func (r *reception) detach(m wire.Detach) {
	isFirst := r.result.Detached == 0
	r.result.Detached = m.Reason
	switch {
	case m.Reason == wire.NoMulticast:
		r.log.Warn("no multicast received: the stream comes over TCP; see whether the network lets the group through")
	case m.Reason == wire.TooLarge:
		r.log.Warn("small packets of the group come, full ones do not: the stream comes over TCP; see the MTU on the way from the sender",
			"packet", int(r.g.Payload)+wire.Overhead+wire.IPOverhead, "interface", r.ifi.Name, "mtu", r.ifi.MTU)
	case isFirst:
		r.log.Warn("the others do not wait for this host", "reason", m.Reason)
	}
	if m.Alone {
		r.core.Alone()
		r.fetch(r.clock.now())
	}
}
