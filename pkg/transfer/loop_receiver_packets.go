package transfer

import (
	"fmt"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// maxAge bounds what is believed of a datagram's age: the clock that it is
// measured by may be set meanwhile.
const maxAge = 100 * time.Millisecond

// arrival returns when a datagram arrived that the kernel got at a moment shortly before
// now. The rate is found from these times, and the socket is read in steps far coarser.
func (r *reception) arrival(now time.Duration, at time.Time) time.Duration {
	if came := at.Sub(r.clock.start); came <= now && now-came <= maxAge {
		now = came
	}
	r.arrived = max(r.arrived, now)
	return r.arrived
}

// takePacket takes in a datagram that arrived at now. It allocates nothing but for the first packets
// of a block, until all buffers are made.
func (r *reception) takePacket(now time.Duration, datagram []byte, isMarked bool) {
	h, payload, ok := r.opener.Open(datagram)
	if !ok {
		return // counted there
	}
	if h.Type == wire.Canary {
		r.canaries |= 1 << h.Index
		return
	}
	r.noteCounter(h.Counter)
	seg := segmentOf(h.Block)
	if !r.core.WantsMulticast() || len(r.bad) > 0 && r.bad[seg] {
		return
	}
	if isMarked {
		r.core.Marked()
	}
	if h.Flags&wire.FlagLast != 0 && !r.isLast {
		r.lastSeg, r.isLast = seg, true
	}
	r.keep(r.core.Packet(now, h), h.ID(), int(h.Count), payload)
}

func (r *reception) noteCounter(n uint64) {
	if r.first == 0 {
		r.first = n + 1
	}
	r.highest = max(r.highest, n+1)
}

// keep stores a packet's bytes as the core's verdict says.
func (r *reception) keep(v Verdict, id wire.PacketID, count int, payload []byte) {
	if v != Keep && v != Complete {
		return
	}
	seg := segmentOf(id.Block)
	s := r.segments[seg]
	if s == nil {
		s = r.takeBuffer(seg)
		r.segments[seg] = s
	}
	if !s.add(id, count, payload) {
		panic("transfer: the core and the buffers disagree")
	}
	if v == Complete {
		r.checkSegment(seg)
	}
}

// takeBuffer returns a free buffer. There is one: the core admits no more segments
// than there are buffers.
func (r *reception) takeBuffer(seg uint32) *segmentBuffer {
	var s *segmentBuffer
	switch n := len(r.free); {
	case n > 0:
		s = r.free[n-1]
		r.free = r.free[:n-1]
	case r.made < r.pool:
		r.made++
		s = newSegmentBuffer(r.g)
	default:
		panic("transfer: more segments than buffers")
	}
	s.reset(seg)
	return s
}

// checkSegment hands a segment to the finisher if it is complete, its digest is
// known, and so is its size.
func (r *reception) checkSegment(seg uint32) {
	s := r.segments[seg]
	if s == nil || int(seg) >= len(r.digests) || !r.core.IsSegmentComplete(seg) {
		return
	}
	size := uint64(r.g.SegmentSize())
	if r.core.isEnded {
		size = min(size, r.core.size-uint64(seg)*size)
	} else if r.isLast && seg >= r.lastSeg {
		return
	}
	if !r.beginJournal() {
		return
	}
	blocks := int(r.g.Blocks(size))
	delete(r.segments, seg)
	job := finishJob{segment: s, blocks: blocks, size: int(size), digest: r.digests[seg]}
	if seg > 0 {
		job.before = r.digests[seg-1]
	}
	r.finisher.jobs <- job
}

// settle takes in what became of a segment.
func (r *reception) settle(f finished) {
	seg := f.segment.number
	r.free = append(r.free, f.segment)
	switch {
	case r.isOver:
	case f.err != nil:
		r.fail(wire.Local, f.err)
	case f.isGood:
		r.core.SegmentVerified(seg)
		delete(r.bad, seg)
		r.count(int64(f.size))
		r.checkEnd()
	case r.bad[seg]: // all of it came over TLS: its digest and its bytes are both the sender's
		r.fail(wire.Corrupt, fmt.Errorf("%w: segment %d", ErrRoot, seg))
	default:
		r.log.Warn("a segment is not what the sender read: it is fetched again, from the sender alone", "segment", seg)
		for _, open := range r.core.SegmentBad(seg) {
			if s := r.segments[open]; s != nil {
				s.reset(open)
			}
		}
		r.bad[seg] = true
		r.fetch(r.clock.now())
	}
}

// checkEnd finishes when all is written.
func (r *reception) checkEnd() {
	if r.isFinishing || r.isOver || r.end == nil || !r.core.Finished() {
		return
	}
	r.isFinishing = true
	if !r.beginJournal() {
		return
	}
	if uint32(len(r.digests)) != r.end.Segments || r.root.Sum(r.end.Size) != r.end.Root {
		r.fail(wire.Corrupt, ErrRoot)
		return
	}
	if r.cfg.Finish == nil {
		r.done(nil)
		return
	}
	r.wg.Go(func() { // a disk takes its time: the sender is told meanwhile that we live
		err := r.cfg.Finish()
		r.post(func() { r.done(err) })
	})
}

// done tells the sender that this host has all.
func (r *reception) done(err error) {
	if r.isOver {
		return
	}
	if err != nil {
		r.fail(wire.Local, fmt.Errorf("%w: %w", ErrSink, err))
		return
	}
	r.isDone = true
	r.say(wire.Done{Root: r.end.Root, Counters: r.core.Counters()})
}
