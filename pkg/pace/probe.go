package pace

import (
	"cmp"
	"slices"
	"time"
)

// makeRoom begins a probe, or first lets a queue go that would not leave the room for
// one: the hosts have to have told of the time since the last.
func (c *Controller) makeRoom(now time.Duration, next uint64) {
	heard, ok := c.freshAll(now)
	if !ok && now-c.roundAt < maxProbeGap {
		return
	}
	if over := c.queued(heard, c.slack(queueBudget/2)); len(over) > len(heard)/32 {
		if c.isTaken(now) {
			c.round(now, next)
			c.beginCompeting(now)
			return
		}
		c.ease(now, next, deepest(over))
		return
	}
	c.beginProbe(now, next)
}

// beginProbe sends a little more than the limit for a while: long enough for the
// queue that it makes to be seen, behind a shaper too, and no more than the budget.
func (c *Controller) beginProbe(now time.Duration, next uint64) {
	c.probeTime = max(2*c.cfg.Interval, c.limit.Time((hiddenBurst+minExcess)/maxProbe))
	if c.isMarked {
		c.budget = min(c.budget, minExcess)
	}
	c.probe = min(c.stride, (hiddenBurst+c.budget)/(float64(c.limit)*c.probeTime.Seconds()))
	if c.isWayKnown() { // it is asked whether the hosts have room again, which shows at once
		c.probeTime = max(2*c.cfg.Interval, c.limit.Time(float64(roomPackets*c.cfg.Frame)))
		c.probe = min(c.stride, float64(c.free/c.limit)-1)
	}
	for _, t := range c.list {
		t.level, t.peak, t.busyRate = t.queue, t.queue, 0
	}
	c.round(now, next)
	c.become(probing, now)
}

// isQueueing reports whether a probe has made a queue already, or marks, so that it
// need not be made longer.
func (c *Controller) isQueueing(now time.Duration) bool {
	heard := c.collect(func(t *track) bool { return t.at > c.roundAt && t.lagSince == 0 })
	excess := max(c.shown(now-c.roundAt), minExcess)
	n := 0
	for _, t := range heard {
		if t.peak-t.level > excess || t.marked > markedShare && t.isFresh(c.roundFrom) {
			n++
		}
	}
	return n > len(heard)/32
}

// isWayKnown reports whether the limit is under what the way to the hosts was found to
// take: some host's disk is, or was, the reason.
func (c *Controller) isWayKnown() bool { return c.free > c.limit }

// shown returns the queue, in bytes, that has to be seen of a probe of such a time.
func (c *Controller) shown(probeTime time.Duration) float64 {
	excess := c.probe * float64(c.limit) * probeTime.Seconds()
	if c.isWayKnown() {
		return max(excess, minExcess)
	}
	return max(excess-hiddenBurst, excess/4) / 3
}

// isTold reports whether all of the hosts that keep up, but for a few, have told of all
// of the probe: whoever has a queue tells last.
func (c *Controller) isTold(now time.Duration) bool {
	live, n := 0, 0
	for _, t := range c.list {
		if t.end >= c.probeEnd {
			n++
		}
		if t.end >= c.probeEnd || t.lagSince == 0 && now-t.at <= c.silence() {
			live++
		}
	}
	return n > 0 && n >= live-live/32
}

// endProbe raises the limit if nothing queued.
func (c *Controller) endProbe(now time.Duration, next uint64) {
	heard := c.collect(func(t *track) bool { return t.end >= c.probeEnd && t.lagSince == 0 })
	if sent := float64(c.cfg.Frame) * float64(c.probeEnd-c.roundFrom); sent < probeShare*float64(c.limit)*c.probeTime.Seconds() {
		c.become(cruising, now) // there was too little to send: nothing is proved
		return
	}
	excess := c.probe * float64(c.limit) * c.probeTime.Seconds()
	bad, queued := 0, c.over[:0]
	for _, t := range heard {
		isQueued := t.peak-t.level > c.shown(c.probeTime)
		if isQueued {
			queued = append(queued, t)
		}
		if isQueued || t.marked > markedShare {
			bad++
		}
	}
	c.over = queued
	if c.hold(now, next, heard) {
		return
	}
	if len(heard) > 0 && bad <= len(heard)/32 {
		c.limit = min(c.limit*Rate(1+c.probe), c.ceiling())
		c.probeGap, c.isRepeat = c.cfg.Interval, false
		c.stride = min(2*c.stride, 1)
		if c.free == 0 {
			c.budget = min(2*c.budget, maxBudget)
		} else if c.limit > 0.99*c.free {
			c.free, c.stride = 0, maxProbe
		}
		c.become(cruising, now)
		return
	}
	c.budget, c.stride = queueBudget, maxProbe
	if c.isRepeat = !c.isRepeat; c.isRepeat { // a moment's pause makes a queue as well
		c.ease(now, next, excess)
		return
	}
	if len(queued) > 0 { // what passes while a queue grows is the link's rate
		limit := cmp.Or(medianBusyRate(queued), c.limit)
		c.limit = max(min(limit, (limit+c.limit)/2), 0.97*c.limit)
	}
	c.probeGap = min(2*c.probeGap, maxProbeGap)
	c.ease(now, next, excess)
}

// medianBusyRate returns the median of what passed while hosts had a queue. The
// tracks are not empty.
func medianBusyRate(tracks []*track) Rate {
	slices.SortFunc(tracks, func(a, b *track) int { return cmp.Compare(a.busyRate, b.busyRate) })
	return tracks[len(tracks)/2].busyRate
}
