package pace

import (
	"math"
	"time"
)

// A Sample is what arrived at one host of the packets with counters First to
// End, that not included.
type Sample struct {
	First, End uint64
	Received   uint64        // distinct packets that arrived and were taken
	Refused    uint64        // that arrived and found no room: the host's disk is behind
	Marked     uint64        // of these with a mark of congestion
	Sending    time.Duration // between the first and the last packet's leaving
	Arriving   time.Duration // between their arriving, by the host's clock
	// Delay is from the last packet's leaving, by our clock, to its arriving, by
	// the host's: only differences mean anything.
	Delay time.Duration
}

// A track is what is known of one host.
type track struct {
	first, end uint64
	sent       Rate    // at which the sample was sent
	capacity   Rate    // that the sample shows: sent, or less where it queued
	loss       float64 // share, unmarked by queues: the link's own
	lost       float64 // share, in the last sample
	queue      float64 // bytes that waited before the sample's last packet
	marked     float64 // share
	at         time.Duration
	samples    int
	hasLoss    bool
	refused    float64       // share, in the last sample
	refusedAt  time.Duration // when some were, last; 0 if never
	taken      Rate          // what it takes, while it refuses some
	offered    Rate          // of what comes meanwhile
	isFull     bool          // the queue has overflowed in the last sample
	isBusy     bool          // there was a queue all through the last sample
	level      float64       // queue when the probe began
	peak       float64       // greatest queue since
	busyRate   Rate          // of arrival since, in the last sample that ended in a queue
	lagSince   time.Duration // 0 while it keeps up
	keptUp     bool          // it has, once the rate was found
	wait       time.Duration // of the last sample's last packet in queues
	low        [2]lowDelay   // the least delays of this window and the last
}

type lowDelay struct {
	delay time.Duration
	since time.Duration
	valid bool
}

// observe takes a sample in. frame is the size of a packet in bytes. While the
// rate is still searched for, much loss alone shows a full link.
func (t *track) observe(now time.Duration, s Sample, frame float64, isStarting bool) {
	n := float64(s.End - s.First)
	t.first, t.end, t.at = s.First, s.End, now
	t.samples++
	t.sent = per(n*frame, s.Sending)
	t.marked = 0
	if s.Received > 0 {
		t.marked = float64(s.Marked) / float64(s.Received)
	}
	t.lost = min(max(1-float64(s.Received+s.Refused)/n, 0), 1)
	lost := t.lost
	// What is lost behind the queue, or before it, was sent all the same.
	passed := per(n*frame, s.Arriving)
	if !t.hasLoss && lost < 0.5 {
		t.loss, t.hasLoss = lost, true
	}
	t.take(now, s, min(passed, t.sent))
	before := t.queue
	t.wait = s.Delay - t.lowest(now, s.Delay)
	t.queue = t.wait.Seconds() * float64(min(passed, t.sent))
	t.isBusy = min(before, t.queue) > queueBudget/2
	excess := lost - t.loss
	t.peak = max(t.peak, t.queue)
	if t.queue > t.level+minExcess/2 {
		t.busyRate = passed
	}
	couldBe := max(before, t.queue) >= queueBudget || isStarting && excess > startExcess
	t.isFull = couldBe && excess > 0.005+3*math.Sqrt(t.loss*(1-t.loss)/n)
	if t.isFull {
		t.capacity = t.bound(now, min(passed*Rate(1-lost)/Rate(1-t.loss), t.sent))
		return
	}
	t.loss += excess * min(0.25, n/4096+0.02)
	t.capacity = t.bound(now, min(passed, t.sent))
}

// take learns what a host takes whose memory is full. Room comes by the segment, so
// that one sample tells little.
func (t *track) take(now time.Duration, s Sample, arrived Rate) {
	t.refused = 0
	if s.Refused > 0 {
		t.refused, t.refusedAt = float64(s.Refused)/float64(s.Refused+s.Received), now
	}
	took := arrived * Rate(1-t.refused)
	if t.taken == 0 || !t.isRefusing(now) {
		t.taken, t.offered = took, arrived
		return
	}
	t.taken += (took - t.taken) * over(s.Arriving, takeTime)
	t.offered += (arrived - t.offered) * over(s.Arriving, takeTime)
}

// over returns the weight of what took so long in an average over some time.
func over(took, time time.Duration) Rate { return Rate(1 - math.Exp(-took.Seconds()/time.Seconds())) }

// isBehind reports whether the host refuses a good part of what comes.
func (t *track) isBehind(now time.Duration) bool {
	return t.isRefusing(now) && t.taken < startFull*t.offered
}

// isRefusing reports whether the host had no room for what came, a short time ago.
func (t *track) isRefusing(now time.Duration) bool {
	return t.refusedAt > 0 && now-t.refusedAt < 2*takeTime
}

// bound returns what of a capacity the host's disk takes.
func (t *track) bound(now time.Duration, r Rate) Rate {
	if t.isRefusing(now) {
		return min(r, t.taken)
	}
	return r
}

// lowest returns the least delay of the last one to two windows.
func (t *track) lowest(now, delay time.Duration) time.Duration {
	switch l := &t.low[0]; {
	case !l.valid:
		*l = lowDelay{delay, now, true}
	case now-l.since > delayWindow:
		t.low[1], t.low[0] = t.low[0], lowDelay{delay, now, true}
	case delay < l.delay:
		l.delay = delay
	}
	if t.low[1].valid {
		return min(t.low[0].delay, t.low[1].delay)
	}
	return t.low[0].delay
}

// isPushed reports whether a host that kept up lags behind a queue so long that it may be
// another's. A sample of more than it got meanwhile does not end that: TCP comes in bursts.
func (t *track) isPushed() bool { return t.lagSince > 0 && t.keptUp && t.wait > longWait }

// isFresh reports whether most of the last sample was sent from counter on.
func (t *track) isFresh(from uint64) bool {
	return t.samples > 0 && t.end > from &&
		float64(t.end-max(t.first, from)) >= freshShare*float64(t.end-t.first)
}
