package pace

import "time"

// isTaken reports whether somebody else fills the queue: it stays although less is
// sent, again and again. It is called when less is about to be sent.
func (c *Controller) isTaken(now time.Duration) bool {
	wasAlone := c.cededAt == 0 || now-c.cededAt > cededTime
	if c.isGone {
		c.brakes = 0
		if wasAlone {
			c.solo = c.limit
		}
		c.solo = max(c.solo, c.limit)
	}
	c.isGone = false
	c.brakes++
	if wasAlone {
		return c.brakes >= takenBrakes
	}
	return c.brakes >= takenAgain
}

// noteQueue notes whether the queue has been gone since less was sent for it: what is
// of our own making goes.
func (c *Controller) noteQueue(now time.Duration) {
	if c.isGone {
		return
	}
	heard, ok := c.freshAll(now)
	c.isGone = ok && len(c.queued(heard, c.residue())) <= len(heard)/32
}

// residue returns the queue, in bytes, under which there is none: packets that come in
// bursts, or wait for a processor, tell so much wrongly.
func (c *Controller) residue() float64 {
	return c.slack(min(max(float64(c.rate)*residueTime.Seconds(), minResidue), queueBudget/2))
}

// beginCompeting goes on with no more than half of what the link gave before another
// came, and with no less: to give way to a queue that another fills ends with nothing,
// as TCP fills any. A TCP that has little yet grows by the round trip, which our queue
// makes long: the more we leave to it the sooner it has a fair share.
func (c *Controller) beginCompeting(now time.Duration) {
	c.state, c.cutAt, c.grownAt, c.freeAt = competing, now, now, 0
	c.set(max(c.limit, c.solo/2) * cruiseGain)
}

// compete shares with TCP: half of the link if it takes the rest, a cut when the queue
// overflows, until the queue has been empty for a while.
func (c *Controller) compete(now time.Duration, next uint64) {
	c.cededAt = now
	heard := c.collect(func(t *track) bool { return t.at > c.roundAt && t.lagSince == 0 })
	full, queued := 0, 0
	for _, t := range heard {
		if t.isFull {
			full++
		}
		if t.queue > c.residue() {
			queued++
		}
	}
	isQueued := queued > len(heard)/32
	switch {
	case full > len(heard)/32 && now-c.cutAt >= cutGap:
		c.cutAt, c.grownAt, c.freeAt = now, now, 0
		c.set(max(c.rate*cutGain, c.solo/8))
		c.round(now, next)
	case now-c.grownAt < growGap:
	case c.rate < c.solo/2:
		c.grownAt = now
		c.set(min(c.rate+c.solo*growShare, c.solo/2))
	case c.rate > c.solo/2 && isQueued:
		c.grownAt = now
		c.set(max(c.rate-c.solo*cedeShare, c.solo/2))
	}
	switch {
	case len(heard) == 0:
	case isQueued:
		c.freeAt = 0
	case c.freeAt == 0:
		c.freeAt = now
	case now-c.freeAt >= freeTime:
		c.limit, c.brakes, c.isGone = c.rate, 0, true
		c.round(now, next)
		c.become(cruising, now)
		c.probeAt, c.probeGap = now, minProbeGap
	}
}
