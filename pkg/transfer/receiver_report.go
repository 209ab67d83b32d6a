package transfer

import (
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A snapshot is what a report would have said of the rate at some moment. With
// reordering, reports speak of the past: what is late by then is lost.
type snapshot struct {
	at       time.Duration
	counter  uint64
	received uint64
	marked   uint64
	noRoom   uint64
}

// snapshot returns what is to be told at this moment.
func (r *Receiver) snapshot() snapshot {
	return snapshot{r.at, r.counter, r.counters.Received, r.counters.CEMarks, r.counters.NoRoom}
}

// advance takes in the highest counter so far.
func (r *Receiver) advance(now time.Duration, counter uint64) {
	if last := &r.past[r.pastAt]; now-last.at >= snapshotTime && r.counter > 0 {
		r.pastAt = (r.pastAt + 1) % snapshots
		r.past[r.pastAt] = r.snapshot()
	}
	r.counter, r.at = counter+1, now
}

// late learns from a packet that comes after a newer one how long to wait for
// such.
func (r *Receiver) late(now time.Duration, counter uint64) {
	for back := range snapshots {
		p := &r.past[(r.pastAt-back+snapshots)%snapshots]
		if p.counter == 0 {
			return
		}
		if p.counter <= counter {
			return
		}
		if wait := now - p.at + snapshotTime; wait > r.reorder && wait <= maxReorder {
			r.reorder = wait
		}
	}
}

// snapshotBefore returns the last snapshot from before a moment, or now's.
func (r *Receiver) snapshotBefore(moment time.Duration) snapshot {
	if r.at <= moment {
		return r.snapshot()
	}
	for back := range snapshots {
		if p := r.past[(r.pastAt-back+snapshots)%snapshots]; p.at <= moment || p.counter == 0 {
			return p
		}
	}
	return snapshot{}
}

// NextReport returns when the next report is due, at the earliest.
func (r *Receiver) NextReport() time.Duration { return r.reportAt }

// Report returns the reports and maps to be sent at now, in this order: none
// before NextReport, or when there is nothing new to tell. They are valid until
// the next call.
func (r *Receiver) Report(now time.Duration) ([]wire.Report, []wire.Map) {
	if now < r.reportAt {
		return nil, nil
	}
	r.reportAt = max(r.reportAt+r.cfg.Interval, now+r.cfg.Interval/2)
	seen := r.counters.Received + r.counters.Duplicates + r.counters.NoRoom
	r.findDeficits()
	if seen == r.reported && len(r.deficits) == 0 && now-r.reportedAt < min(quietReports*r.cfg.Interval, wire.BeatInterval) {
		return nil, nil
	}
	r.reported, r.reportedAt = seen, now
	r.reorder -= r.reorder / 128
	r.reports = r.reports[:0]
	s := r.snapshotBefore(now - r.reorder)
	switch {
	case s.counter < r.counter:
		r.reports = append(r.reports, r.mark(r.snapshotBefore(now)))
	case r.cfg.Interval > 2*markBack && now-r.started < markTime:
		if m := r.snapshotBefore(now - r.reorder - markBack); m.counter > 0 && m.counter < s.counter {
			r.reports = append(r.reports, r.mark(m))
		}
	}
	next := r.next
	if n := len(r.deficits); n == wire.MaxDeficits {
		next = r.deficits[n-1].Block + 1
	}
	r.reports = append(r.reports, r.report(s, r.deficits, max(next, r.oldest)))
	return r.reports, r.maps
}

func (r *Receiver) report(s snapshot, deficits []wire.Deficit, next wire.Block) wire.Report {
	c := r.counters
	c.Received, c.CEMarks, c.NoRoom = s.received, s.marked, s.noRoom
	at := time.Duration(0)
	if s.counter > 0 {
		at = (s.at - r.started).Truncate(time.Microsecond)
	}
	return wire.Report{At: max(at, 0), Counter: s.counter, Counters: c, Oldest: r.oldest, Next: next, Deficits: deficits}
}

// mark returns a report that is about the rate only: with Next 0 it speaks of no
// block.
func (r *Receiver) mark(s snapshot) wire.Report {
	m := r.report(s, nil, 0)
	m.Oldest = 0
	return m
}

// findDeficits lists the incomplete blocks that have room, or would get it, and maps
// of those for which the rows that are left may not do. What has no room is not
// asked for until it has: it would be sent in vain.
func (r *Receiver) findDeficits() {
	r.deficits, r.maps = r.deficits[:0], r.maps[:0]
	free := r.cfg.PoolSegments - len(r.segments)
	for b := r.look(r.next); b != nil && b.isVerified && r.next < r.total; b = r.look(r.next) {
		r.next++ // held from before: the sender may pass over it, and speak of what follows
	}
	isLeading := true
	n := r.oldest
	for n < r.next && len(r.deficits) < wire.MaxDeficits {
		seg := uint32(n / wire.SegmentBlocks)
		_, isOpen := r.segments[seg]
		if !isOpen && r.lacksSome(seg) {
			if free--; free < 0 || r.isBeyond(seg) {
				break
			}
		}
		for _, end := r.segmentBlocks(seg); n < min(end, r.next); n++ {
			if isWhole := r.findDeficit(n); !isWhole {
				isLeading = false
			} else if isLeading {
				r.oldest = n + 1
			}
		}
	}
	if n >= r.next {
		return
	}
	r.open = r.open[:0]
	for seg := range r.segments {
		if wire.Block(seg)*wire.SegmentBlocks >= n {
			r.open = append(r.open, seg)
		}
	}
	slices.Sort(r.open)
	for _, seg := range r.open {
		first, end := r.segmentBlocks(seg)
		for n = first; n < min(end, r.next) && len(r.deficits) < wire.MaxDeficits; n++ {
			r.findDeficit(n)
		}
	}
}

// lacksSome reports whether packets of a segment are lacked from the group.
func (r *Receiver) lacksSome(seg uint32) bool {
	if _, isBad := r.bad[seg]; isBad {
		return false
	}
	first, end := r.segmentBlocks(seg)
	for n := max(first, r.oldest); n < min(end, r.next); n++ {
		if b := r.look(n); b == nil || !b.isFull {
			return true
		}
	}
	return false
}

// findDeficit lists a block, unless it is whole, or none of the group's business any
// more.
func (r *Receiver) findDeficit(n wire.Block) (isWhole bool) {
	b := r.look(n)
	_, isBad := r.bad[uint32(n/wire.SegmentBlocks)]
	switch {
	case b != nil && b.isFull, isBad:
		return true
	case b == nil || b.count == 0:
		r.deficits = append(r.deficits, wire.Deficit{Block: n, Packets: uint8(r.packetsOf(n))})
		return false
	}
	r.deficits = append(r.deficits, wire.Deficit{Block: n, Packets: uint8(b.deficit())})
	if r.needsMap(b) && len(r.maps) < r.mapLimit() {
		m := wire.Map{Block: n}
		b.lack(&m.Missing)
		r.maps = append(r.maps, m)
	}
	return false
}

// needsMap reports whether the rows that are left of a block may not do: when many
// of them have come, or nothing more does.
func (r *Receiver) needsMap(b *blockState) bool {
	if b.have != b.told {
		b.told, b.stuck = b.have, 0
	} else if b.stuck < stuckReports {
		b.stuck++
	}
	rows := b.rows()
	return b.stuck >= stuckReports || rows > 0 && b.deficit()+rows > wire.ParityRows || rows > mapRow
}

// mapLimit returns how many maps may go with a report, so that many hosts do not
// drown the sender.
func (r *Receiver) mapLimit() int {
	return max(4, int(maxMaps*wire.MinReportInterval*10/max(r.cfg.Interval, 1))/10)
}

// packetsOf returns the data packets of a block, as far as is known.
func (r *Receiver) packetsOf(n wire.Block) int {
	if r.isEnded {
		return r.cfg.Geometry.Packets(r.size, n)
	}
	return wire.BlockPackets
}
