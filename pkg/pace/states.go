package pace

import (
	"slices"
	"time"
)

// A state is what a Controller does with the rate.
type state uint8

const (
	starting  state = iota // doubles it
	draining               // under the limit, until the queue is gone
	cruising               // at the limit
	probing                // a little over it
	settling               // at the limit again, waits for what hosts tell of the probe
	testing                // well under the limit: does loss go away?
	competing              // another's packets keep the queue full
)

// String returns the state's name.
func (s state) String() string {
	return [...]string{"start-up", "drain", "cruise", "probe", "settle", "test", "compete"}[s]
}

// Starting reports whether the rate is still being searched for.
func (c *Controller) Starting() bool { return c.state == starting }

// State returns the name of what the controller does, for logs.
func (c *Controller) State() string { return c.state.String() }

// Tick lets time pass: the owner calls it every few milliseconds and after
// samples. next is the counter of the next packet. It reports whether the rate
// has changed.
func (c *Controller) Tick(now time.Duration, next uint64) bool {
	if now-c.lookedAt < min(c.cfg.Interval/8, lookTime) {
		return false
	}
	c.lookedAt = now
	was := c.rate
	if c.state == draining || c.state == cruising {
		c.noteQueue(now)
	}
	if c.state != starting && c.state != competing && c.isCrowded(now) {
		c.round(now, next)
		c.beginCompeting(now)
	}
	switch c.state {
	case starting:
		c.start(now, next)
	case draining:
		c.drain(now, next)
	case cruising:
		c.noteSolo(now)
		if c.brake(now, next) || c.beginTest(now, next) {
			break
		}
		if now >= c.probeAt && c.limit < c.ceiling() && !c.isDrowned() {
			c.makeRoom(now, next)
		}
	case probing:
		if !c.brake(now, next) && (now-c.roundAt >= c.probeTime || c.isQueueing(now)) {
			c.probeTime, c.probeEnd = now-c.roundAt, next
			c.become(settling, now)
		}
	case settling:
		if took := now - c.roundAt - c.probeTime; took >= c.span()+c.span()/4 && c.isTold(now) || took > maxProbeGap+2*c.span() {
			c.endProbe(now, next)
		}
	case testing:
		c.test(now, next)
	case competing:
		if !c.beginTest(now, next) {
			c.compete(now, next)
		}
	}
	return c.rate != was
}

// become enters a state. The rates follow from the limit.
func (c *Controller) become(s state, now time.Duration) {
	c.state = s
	c.limit = max(c.limit, c.cfg.Min) // a probe from next to nothing would take hours
	switch s {
	case draining:
		c.set(c.limit * drainGain)
	case probing:
		c.set(c.limit * Rate(1+c.probe))
	case cruising, settling:
		c.set(c.limit * cruiseGain)
	}
	if s == cruising {
		if c.probeAt = now + c.probeGap; c.isRepeat {
			c.probeAt = now + c.cfg.Interval
		}
	}
}

func (c *Controller) set(r Rate) { c.rate = max(min(r, c.ceiling()), c.cfg.Min) }

// ceiling returns the bound of the rate, or one that no link has.
func (c *Controller) ceiling() Rate {
	if c.cfg.Max > 0 {
		return c.cfg.Max
	}
	return 1000 * Gbps
}

// round begins a new round with the packet next.
func (c *Controller) round(now time.Duration, next uint64) { c.roundFrom, c.roundAt = next, now }

// fresh returns the hosts whose last samples are of this round, and whether they
// are enough to go by.
func (c *Controller) fresh() ([]*track, bool) {
	all := c.collect(func(t *track) bool { return t.isFresh(c.roundFrom) })
	return all, len(all) > 0 && len(all) >= min(roundHosts, (len(c.tracks)+1)/2)
}

// freshAll returns the same, and whether these are all, but for a few, that keep up.
// A host with a queue before it tells later than the others.
func (c *Controller) freshAll(now time.Duration) ([]*track, bool) {
	live := len(c.collect(func(t *track) bool { return t.lagSince == 0 && now-t.at <= c.silence() }))
	fresh := c.collect(func(t *track) bool { return t.lagSince == 0 && now-t.at <= c.silence() && t.isFresh(c.roundFrom) })
	return fresh, len(fresh) > 0 && len(fresh) >= live-live/32
}

// start doubles the rate, or ends the start-up.
func (c *Controller) start(now time.Duration, next uint64) {
	heard, ok := c.fresh()
	if !ok {
		return
	}
	if heard = slices.DeleteFunc(heard, c.isPause); len(heard) == 0 {
		c.round(now, next)
		return
	}
	mid := byCapacity(heard)[len(heard)/2]
	sent := mid.sent
	marked := mid.marked > markedShare*10
	switch {
	case mid.capacity < startFull*mid.sent || marked:
		buffer := 1.25 * startBuffer
		if c.isGuess {
			buffer = deepest(heard)
		}
		c.isGuess = !c.isGuess && mid.lost > guessLoss
		c.startLimit(now, heard, marked)
		c.foundAfter, c.isFinding = now, true
		c.drainAgain(now, next, buffer)
	case c.rate >= c.ceiling() && sent > 0.7*c.rate:
		c.limit, c.foundAfter = c.ceiling(), now
		c.become(cruising, now)
	case sent > 0.7*c.rate:
		c.baseLoss, c.hasBase = meanLost(heard), true
		c.set(startGain * sent)
		c.round(now, next)
	default: // the source is slower than the rate: nothing to learn
		c.round(now, next)
	}
}

// startLimit sets the limit to what the slowest host gets whose sample shows it: another's,
// that was sent more slowly, shows only that.
func (c *Controller) startLimit(now time.Duration, heard []*track, marked bool) {
	low := c.slowest(heard)
	if marked && low.capacity >= startFull*low.sent { // marks by rate, not by a queue
		c.limit = min(low.capacity, low.sent*Rate(1-low.marked))
		return
	}
	if full := slices.DeleteFunc(heard, func(t *track) bool { return t.capacity >= startFull*t.sent }); len(full) > 0 {
		low = c.slowest(full)
	}
	c.limit = low.capacity
	if low.isRefusing(now) { // its memory is full: the way is not
		c.free = max(c.carried, low.sent)
	}
}

// isPause reports whether a sample is of little more than a wait for the source: of a few
// packets at far less than the rate, where one that is lost is a great share.
func (c *Controller) isPause(t *track) bool {
	return t.end-t.first < samplePackets && t.sent <= 0.7*c.rate
}

// meanLost returns the mean of the shares that hosts lost.
func meanLost(heard []*track) float64 {
	sum := 0.0
	for _, t := range heard {
		sum += t.lost
	}
	return sum / float64(len(heard))
}

// drain waits for the queue to go. After the start-up the hosts have to tell so: a
// shaper's burst makes a link seem faster than it is, and what passes while a queue
// is there is what it takes.
func (c *Controller) drain(now time.Duration, next uint64) {
	took := now - c.roundAt
	if took < c.drainTime {
		return
	}
	if heard, ok := c.fresh(); c.isFinding && !ok && took < c.drainTime+maxDrain {
		c.set(c.limit * easeGain)
		return
	} else if over := c.queued(heard, c.slack(queueBudget)); c.isFinding && len(over) > len(heard)/32 {
		c.limit = min(c.limit, byCapacity(over)[len(over)/2].capacity)
		c.drainAgain(now, next, deepest(over))
		return
	}
	c.isFinding = false
	c.round(now, next)
	if c.isGuess {
		c.state = starting
		c.set(c.limit * startGain)
		return
	}
	c.become(cruising, now)
}

// drainAgain sends so little that so many bytes of a queue soon are gone.
func (c *Controller) drainAgain(now time.Duration, next uint64, bytes float64) {
	c.round(now, next)
	c.become(draining, now)
	c.drainTime = min(c.limit.Time(bytes/(1-drainGain)), maxDrain)
}

// queued returns those of the hosts that keep up whose queue is longer than so many
// bytes. It is valid until the next call.
func (c *Controller) queued(heard []*track, bytes float64) []*track {
	c.over = c.over[:0]
	for _, t := range heard {
		if t.lagSince == 0 && t.queue > bytes {
			c.over = append(c.over, t)
		}
	}
	return c.over
}

// deepest returns the longest of the hosts' queues.
func deepest(tracks []*track) (bytes float64) {
	for _, t := range tracks {
		bytes = max(bytes, t.queue)
	}
	return bytes
}

// slack returns the queue that one burst and some bytes make.
func (c *Controller) slack(bytes float64) float64 {
	return Burst(c.cfg.Frame, c.rate) + bytes
}

// brake lowers the limit when hosts of this round tell of queues or marks, and
// reports whether it did.
func (c *Controller) brake(now time.Duration, next uint64) bool {
	heard, ok := c.fresh()
	if !ok {
		return false
	}
	over := c.queued(heard, c.slack(1.5*queueBudget))
	marked := 0.0
	for _, t := range heard {
		if t.lagSince == 0 {
			marked = max(marked, t.marked)
		}
	}
	if c.hold(now, next, heard) {
		return true
	}
	switch {
	case marked > markedShare && c.state == cruising:
		c.limit *= Rate(1 - min(maxBrake, max(marked/2, 0.01)))
	case len(over) > len(heard)/32:
		if c.isTaken(now) {
			c.round(now, next)
			c.beginCompeting(now)
			return true
		}
		c.free = 0
		if over = slices.DeleteFunc(over, func(t *track) bool { return !t.isBusy && !t.isFull }); len(over) == 0 && c.brakes < 2 {
			c.ease(now, next, startBuffer) // a moment's pause has made it, not the rate
			return true
		}
		if len(over) > 0 {
			c.limit = min(c.limit, max(byCapacity(over)[len(over)/2].capacity, c.limit/2))
		}
	default:
		return false
	}
	c.budget, c.probeGap = queueBudget, minProbeGap
	c.ease(now, next, startBuffer)
	return true
}

// ease sends less than the limit until a queue of so many bytes is gone.
func (c *Controller) ease(now time.Duration, next uint64, bytes float64) {
	c.round(now, next)
	c.become(draining, now)
	gain := max(easeGain, 1-bytes/(float64(c.limit)*c.cfg.Interval.Seconds()))
	if c.limit.Time(bytes/(1-gain)) > maxDrain { // a slow link: its queue lasts long
		gain = max(drainGain, 1-bytes/(float64(c.limit)*maxDrain.Seconds()))
	}
	if c.brakes > 1 { // it stayed: whose it is has to be known soon
		gain = min(gain, stayGain)
	}
	c.drainTime = min(c.limit.Time(bytes/(1-gain)), maxDrain)
	c.set(c.limit * Rate(gain))
}

// isDrowned reports whether half of the hosts get less than half of what is sent: more of
// it is no use to them, whatever the reason.
func (c *Controller) isDrowned() bool {
	n := len(c.collect(func(t *track) bool { return t.loss > drownLoss }))
	return n > 0 && 2*n >= len(c.list)
}

// span returns how long a sample of a host takes to come.
func (c *Controller) span() time.Duration {
	return max(c.cfg.Interval, c.rate.Time(float64(c.cfg.Frame*samplePackets)))
}

// beginTest sends less for a while, now and then, when much is lost that no queue
// explains: a port with next to no queue may be what loses it, or one whose queue was
// never seen to be gone, which the test shows.
func (c *Controller) beginTest(now time.Duration, next uint64) bool {
	if now < c.testAt {
		return false
	}
	heard, ok := c.fresh()
	if !ok {
		return false
	}
	c.testAt = now + testGap
	mid := byCapacity(heard)[len(heard)/2]
	if max(mid.loss, mid.lost/2) < testLoss {
		return false
	}
	c.testedLoss, c.testedRate = meanLost(heard), mid.sent*Rate(1-mid.lost)
	if c.state == competing {
		c.limit = c.rate
	}
	c.round(now, next)
	c.state = testing
	c.set(c.limit * testGain)
	return true
}

// test ends a test: when as much arrives of less, the limit was too high. Of what is lost
// behind a full link a test takes away a share, the smaller the more is lost.
func (c *Controller) test(now time.Duration, next uint64) {
	heard, ok := c.fresh()
	if took := now - c.roundAt; !ok && took < maxProbeGap || took < c.span() {
		return
	}
	if ok {
		mid := byCapacity(heard)[len(heard)/2]
		lost := meanLost(heard)
		if got := mid.sent * Rate(1-mid.lost); lost < c.testedLoss-0.4*(1-testGain)*min(1, (1-c.testedLoss)/testGain) &&
			got > (1+testGain)/2*c.testedRate && got < 1.05*c.testedRate {
			c.limit = min(c.limit, c.testedRate/Rate(1-lost))
			c.probeGap, c.budget = maxProbeGap, queueBudget
			c.testAt = now // that may not have been all
		}
	}
	c.round(now, next)
	c.become(cruising, now)
}
