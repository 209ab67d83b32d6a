package pace

import (
	"slices"
	"time"
)

// hold lowers the limit to what the slowest host takes whose memory is full, but not
// under half of what the group took before: a disk may pause. Where all wait for it, or
// most are such hosts, the limit follows it down to restShare of that, and no further:
// after a pause the way up would be long, from nothing endless. It reports whether there
// is such a host.
func (c *Controller) hold(now time.Duration, next uint64, heard []*track) bool {
	low, isHeld := c.limit, false
	for _, t := range heard {
		if t.lagSince == 0 && t.refused > 0 {
			low, isHeld = min(low, t.taken*takeGain), true
		}
	}
	if !isHeld {
		return false
	}
	if c.free == 0 {
		c.free = c.limit
	}
	held := c.collect(func(t *track) bool { return t.isRefusing(now) })
	c.areMostHeld = 2*len(held) > len(c.list) // then this is what the group takes
	if !c.areMostHeld {
		low = max(low, c.floor(c.free))
	}
	c.limit = min(c.limit, max(low, c.free*restShare, c.cfg.Min))
	c.budget, c.stride, c.probeGap = queueBudget, maxProbe, min(2*c.probeGap, maxProbeGap)
	c.round(now, next)
	c.become(cruising, now)
	return true
}

// unhold goes back to the rate of before, once the host is gone that held the others.
func (c *Controller) unhold() {
	if slices.ContainsFunc(c.list, func(t *track) bool { return t.refusedAt > 0 && t.lagSince == 0 }) || c.free <= c.limit {
		return
	}
	c.limit, c.free, c.probeGap = c.free, 0, minProbeGap
	if c.state == cruising {
		c.set(c.limit * cruiseGain)
	}
}
