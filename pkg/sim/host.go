package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A host is a receiver's core, and what a receiver's loop does around it.
type host struct {
	Host
	id     transfer.HostID
	s      *session
	port   *port
	taken  int // packets of the port's log
	late   []packet
	dice   dice
	core   *transfer.Receiver
	result *HostResult
	copy   *hostCopy // nil without Config.Bytes
	isDone bool
	// writing are the segments that wait for the disk, which is free at diskAt.
	writing map[uint32]bool
	diskAt  time.Duration
	isOut   bool
	// isPlain is set for a host with no fault but loss: a shorter way per packet.
	isPlain bool
}

// isDown reports whether the host is stopped, or not there.
func (h *host) isDown(at time.Duration) bool {
	return at < h.JoinAt || h.isOut ||
		h.StopAt > 0 && at >= h.StopAt && (h.ContinueAt == 0 || at < h.ContinueAt)
}

// take gives the core what has arrived until now.
func (h *host) take(now time.Duration) {
	log := h.port.log
	if h.isDone {
		for h.taken < len(log) && log[h.taken].at <= now {
			h.taken++
		}
		return
	}
	for h.taken < len(log) && log[h.taken].at <= now {
		k := &log[h.taken]
		h.taken++
		if len(h.late) > 0 {
			h.takeLate(k.at)
		}
		if h.dice.loses(k.at) {
			continue
		}
		at := h.dice.stalls(k.at)
		if h.isPlain {
			h.receive(at, k)
			continue
		}
		if h.Filtered || h.isDown(at) {
			continue
		}
		if h.dice.hits(h.Reorder) {
			h.delay(*k)
			continue
		}
		h.receive(at, k)
		if h.dice.hits(h.Duplicate) {
			h.receive(at, k)
		}
	}
	h.takeLate(now)
}

func (h *host) delay(k packet) {
	k.at += h.dice.lateness()
	i, _ := slices.BinarySearchFunc(h.late, k.at, func(o packet, at time.Duration) int { return cmp.Compare(o.at, at) })
	h.late = slices.Insert(h.late, i, k)
}

func (h *host) takeLate(now time.Duration) {
	n := 0
	for ; n < len(h.late) && h.late[n].at <= now; n++ {
		h.receive(h.late[n].at, &h.late[n])
	}
	if n > 0 {
		h.late = slices.Delete(h.late, 0, n)
	}
}

func (h *host) receive(at time.Duration, k *packet) {
	if h.isDone || h.core == nil {
		return
	}
	if k.marked {
		h.core.Marked()
	}
	v := h.core.Packet(at, k.header)
	if v < transfer.Complete && h.copy == nil {
		return
	}
	if h.copy != nil && v >= transfer.Keep {
		h.copy.put(k.header.ID(), k.payload)
	}
	if v == transfer.Complete {
		h.complete(at, k.header.Block)
	}
}

// complete does what follows a block that can be solved.
func (h *host) complete(at time.Duration, n wire.Block) {
	if h.copy != nil {
		h.copy.solve(n, h.core.LackOf(n))
	}
	h.verify(at, uint32(n/wire.SegmentBlocks))
}

// end takes in the END: the last segment may be complete by it.
func (h *host) end(at time.Duration) {
	h.core.End(h.s.cfg.Size)
	if h.core.Finished() { // empty, or its last segment was written before this
		if !h.isDone {
			h.finish(at)
		}
		return
	}
	h.verify(at, h.s.geometry.Segments(h.s.cfg.Size)-1)
}

// verify tells the core that a segment is verified, if it is complete.
func (h *host) verify(at time.Duration, seg uint32) {
	if h.isDone || !h.core.IsSegmentComplete(seg) || h.writing[seg] {
		return
	}
	if h.Disk == 0 {
		h.written(at, seg)
		return
	}
	if h.writing == nil {
		h.writing = make(map[uint32]bool)
	}
	h.writing[seg] = true
	h.diskAt = max(h.diskAt, at)
	if h.diskAt >= h.DiskStopAt && h.diskAt < h.DiskContinueAt {
		h.diskAt = h.DiskContinueAt
	}
	h.diskAt += h.Disk.Time(float64(h.s.geometry.SegmentSize()))
	h.s.clock.at(h.diskAt, func() { h.written(h.s.clock.now, seg) })
}

// written tells the core that a segment is where it belongs.
func (h *host) written(at time.Duration, seg uint32) {
	if h.isDone || h.isOut {
		return
	}
	h.core.SegmentVerified(seg)
	if h.core.Finished() {
		h.finish(at)
	}
}

// finish tells the sender that the host holds everything.
func (h *host) finish(at time.Duration) {
	h.isDone = true
	h.result.DoneAt = max(at, 1)
	h.s.note(eventDone, uint64(at), uint64(h.id))
	h.s.clock.at(at+h.s.cfg.Control, func() {
		h.s.core.Done(h.s.clock.now, h.id)
		h.s.drive()
	})
}

// repair takes in a packet that came over the control connection.
func (h *host) repair(id wire.PacketID) {
	now := h.s.clock.now
	if h.isDone || h.isDown(now) {
		return
	}
	v := h.core.Repair(id)
	if h.copy != nil && v >= transfer.Keep {
		h.copy.put(id, h.s.source.payload(id))
	}
	if v == transfer.Complete {
		h.complete(now, id.Block)
	}
	h.fetch()
}

// report runs at each report time of the host.
func (h *host) report() {
	now := h.s.clock.now
	if h.isOut || h.isDone {
		return
	}
	if h.isDown(now) {
		h.s.clock.at(now+h.s.interval, h.report)
		return
	}
	h.take(now)
	if h.isDone {
		return
	}
	reports, maps := h.core.Report(now)
	if len(reports) > 0 {
		m := feedback{reports: slices.Clone(reports), maps: slices.Clone(maps)}
		for i := range m.reports {
			m.reports[i].Deficits = slices.Clone(m.reports[i].Deficits)
		}
		h.s.clock.at(now+h.s.cfg.Control, func() { h.s.feed(h, m) })
	}
	h.fetch()
	h.s.clock.at(h.core.NextReport(), h.report)
}

// A feedback is what one report time makes a host send.
type feedback struct {
	reports []wire.Report
	maps    []wire.Map
}

func (h *host) fetch() {
	if set, ok := h.core.Fetch(h.s.clock.now); ok {
		h.s.clock.at(h.s.clock.now+h.s.cfg.Control, func() {
			h.s.core.Fetch(h.s.clock.now, h.id, set)
			h.s.drive()
		})
	}
}
