package pace

import "time"

// isTaken reports whether somebody else fills the queue: it stays full although
// less and less is sent. It is called when the rate is about to be lowered.
func (c *Controller) isTaken(now time.Duration) bool {
	if now-c.brakedAt > 4*c.span()+2*maxDrain/5 {
		c.brakes, c.solo = 0, c.limit
	}
	c.brakedAt = now
	c.brakes++
	return c.brakes >= takenBrakes
}

// beginCompeting takes up half of what the link gave before another came: to give
// way to a queue that another fills ends with nothing, as TCP fills any.
func (c *Controller) beginCompeting(now time.Duration) {
	c.state, c.cutAt, c.grownAt, c.freeAt = competing, now, now, 0
	c.set(max(c.limit, c.solo/2) * cruiseGain)
}

// compete shares with TCP: additive growth up to half of the link, a cut when the
// queue overflows, until the queue has been empty for a while.
func (c *Controller) compete(now time.Duration, next uint64) {
	heard := c.collect(func(t *track) bool { return t.at > c.roundAt && t.lagSince == 0 })
	full, queued := 0, 0
	for _, t := range heard {
		if t.isFull {
			full++
		}
		if t.queue > c.slack(queueBudget/2) {
			queued++
		}
	}
	switch {
	case full > len(heard)/8 && now-c.cutAt >= cutGap:
		c.cutAt, c.grownAt, c.freeAt = now, now, 0
		c.set(max(c.rate*cutGain, c.solo/8))
		c.round(now, next)
	case now-c.grownAt >= growGap && c.rate < c.solo/2:
		c.grownAt = now
		c.set(min(c.rate+c.solo*growShare, c.solo/2))
	}
	switch {
	case len(heard) == 0:
	case queued > len(heard)/8:
		c.freeAt = 0
	case c.freeAt == 0:
		c.freeAt = now
	case now-c.freeAt >= freeTime:
		c.limit, c.brakes = c.rate, 0
		c.round(now, next)
		c.become(cruising, now)
		c.probeAt, c.probeGap = now, minProbeGap
	}
}
