package pace

import "time"

// isTaken reports whether somebody else fills the queue: it stays although less is
// sent, again and again. It is called when less is about to be sent.
func (c *Controller) isTaken(now time.Duration) bool {
	if c.isGone {
		c.brakes, c.isGone = 0, false
	}
	c.brakes++
	if c.cededAt == 0 || now-c.cededAt > cededTime {
		return c.brakes >= takenBrakes
	}
	return c.brakes >= takenAgain
}

// isCrowded reports whether hosts that kept up are left with less than half of what is
// sent, behind a long queue: on a slow link TCP pushes us out in its slow start, before we
// have braked three times. If it is their own link that has become slow, they still lag
// at half the rate, and their owner detaches them.
func (c *Controller) isCrowded(now time.Duration) bool {
	n := 0
	for _, t := range c.list {
		if t.isPushed() && now-t.lagSince >= crowdTime && now-t.at <= c.silence() {
			n++
		}
	}
	return n > len(c.list)/32
}

// noteSolo notes the greatest limit of the last cededTime: what the link gives while
// nobody else is there.
func (c *Controller) noteSolo(now time.Duration) {
	if c.limit >= c.solo || now-c.soloAt > cededTime {
		c.solo, c.soloAt = c.limit, now
	}
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
// overflows, until the queue has been empty for a while. Then a half of what is left
// over is taken at once: whoever comes back finds some room.
func (c *Controller) compete(now time.Duration, next uint64) {
	c.cededAt, c.soloAt = now, now
	heard := c.collect(func(t *track) bool { return t.at > c.roundAt && (t.lagSince == 0 || t.keptUp) })
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
		c.limit, c.brakes, c.isGone = max(c.rate, (c.rate+c.solo)/2), 0, true
		c.round(now, next)
		c.become(cruising, now)
		c.probeAt, c.probeGap = now, minProbeGap
	}
}
