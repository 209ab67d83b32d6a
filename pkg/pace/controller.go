package pace

import (
	"cmp"
	"slices"
	"time"
)

// A Config is what a Controller needs to know. All but Frame and Interval may be
// zero.
type Config struct {
	// Frame is the size of a packet on the wire, Ethernet's header counted.
	Frame int
	// Interval is the time between two samples of one host.
	Interval time.Duration
	// First is the counter of the first packet that leaves at the controller's
	// rate. Samples of packets before it say nothing of the group.
	First uint64
	// Initial is the first rate, DefaultInitial if zero.
	Initial Rate
	// Min and Max bound the rate; zero stands for DefaultMin and no bound.
	Min, Max Rate
	// MinHost is what a host has to get to count, as long as the median host gets
	// as much; zero is no such bound.
	MinHost Rate
	// All has the rate follow the slowest host, however slow, instead of telling
	// those under half the median as lagging.
	All bool
}

// A Host names a host of the group to its Controller.
type Host uint32

// A Controller finds the rate of a group. Its states:
//
//	start-up --full--> drain --empty--> cruise <--> probe
//	                     ^----- queue or marks ------'
//	                     | queue stays, again and again
//	                     '--> compete --no queue--> cruise
//
// The start-up doubles the rate each round, until the slowest host that keeps up
// gets less than is sent, or its queue is marked. A round ends when a few hosts
// have told about packets that were all sent in it.
type Controller struct {
	cfg    Config
	state  state
	rate   Rate // what packets leave at
	limit  Rate // estimate of what the group takes
	tracks map[Host]*track
	list   []*track // the same, in the order of joining: sums of floats have one

	lookedAt   time.Duration // at the hosts, last
	roundFrom  uint64        // counter of the round's first packet
	roundAt    time.Duration
	probe      float64 // share added by the running probe
	stride     float64 // greatest share of the next probe
	probeTime  time.Duration
	probeEnd   uint64        // counter after the probe's last packet
	testAt     time.Duration // earliest time of the next test
	testedLoss float64       // before the running test
	testedRate Rate          // that arrived then
	drainTime  time.Duration
	isFinding  bool          // the running drain follows the start-up
	isGuess    bool          // which then goes on: most was lost, that tells too little
	isMarked   bool          // the network marks packets: smaller probes are seen
	brakes     int           // in a row, and the queue stayed
	isGone     bool          // the queue has been, since the last of these
	solo       Rate          // the greatest limit of late, before another came
	soloAt     time.Duration // when it was that
	cededAt    time.Duration // to another, last; 0 if never
	carried    Rate          // what got to hosts of late, in the start-up
	free       Rate          // the limit before some host had no room; 0 if all have
	// areMostHeld is set while most have no room.
	areMostHeld bool
	cutAt       time.Duration
	grownAt     time.Duration
	freeAt      time.Duration // since when no queue is seen; 0 while one is
	baseLoss    float64       // of the hosts together, while the link was not full
	hasBase     bool
	over        []*track // scratch
	budget      float64  // bytes, of the next probe
	probeGap    time.Duration
	isRepeat    bool // the next probe is to confirm that the last failed
	probeAt     time.Duration
	scratch     []*track
	median      Rate // of the hosts' capacities; 0 before the first sample
	medianAt    time.Duration
	foundAfter  time.Duration // when the start-up ended; 0 before
}

// New returns a controller at the start of its search.
func New(cfg Config) *Controller {
	cfg.Initial = cmp.Or(cfg.Initial, DefaultInitial)
	cfg.Min = cmp.Or(cfg.Min, DefaultMin)
	if cfg.Max > 0 {
		cfg.Min = min(cfg.Min, cfg.Max)
		cfg.Initial = min(cfg.Initial, cfg.Max)
	}
	return &Controller{cfg: cfg, rate: max(cfg.Initial, cfg.Min), tracks: make(map[Host]*track),
		roundFrom: cfg.First, budget: queueBudget, probeGap: minProbeGap, stride: maxProbe, isGone: true}
}

// Rate returns the rate at which packets should leave.
func (c *Controller) Rate() Rate { return c.rate }

// Limit returns what the group was found to take, 0 during the start-up.
func (c *Controller) Limit() Rate { return c.limit }

// Add takes a host into the group.
func (c *Controller) Add(now time.Duration, h Host) {
	t := &track{at: now}
	c.tracks[h] = t
	c.list = append(c.list, t)
}

// Remove leaves a host out from now on.
func (c *Controller) Remove(h Host) {
	t := c.tracks[h]
	c.list = slices.DeleteFunc(c.list, func(o *track) bool { return o == t })
	delete(c.tracks, h)
	switch {
	case t == nil:
	case t.refusedAt > 0:
		c.unhold()
	case c.state == competing && t.lagSince > 0: // it was its own link
		c.set(c.solo * cruiseGain)
	}
}

// Observe takes in what a host reported.
func (c *Controller) Observe(now time.Duration, h Host, s Sample) {
	t := c.tracks[h]
	if t == nil {
		return
	}
	if s.End <= s.First || s.Sending <= 0 || s.Arriving <= 0 {
		return
	}
	if !t.hasLoss && c.hasBase {
		t.loss, t.hasLoss = c.baseLoss, true
	}
	t.observe(now, s, float64(c.cfg.Frame), c.state == starting)
	c.isMarked = c.isMarked || s.Marked > 0
	if c.state == starting && !t.isFull && t.refused == 0 {
		c.carried += (t.capacity - c.carried) * over(s.Arriving, takeTime)
	}
	c.updateLag(now, t)
}

// Loss returns the share of packets that a host loses while nothing queues.
func (c *Controller) Loss(h Host) float64 {
	if t := c.tracks[h]; t != nil {
		return t.loss
	}
	return 0
}

// LastLoss returns the share that a host lost in its last sample, or while its queue
// overflows, which is no fault of its own, Loss.
func (c *Controller) LastLoss(h Host) float64 {
	switch t := c.tracks[h]; {
	case t == nil:
		return 0
	case t.isFull:
		return t.loss
	default:
		return t.lost
	}
}

// Alive tells that a host has reported, where no packets were sent that it could
// have told of.
func (c *Controller) Alive(now time.Duration, h Host) {
	if t := c.tracks[h]; t != nil {
		t.at = now
	}
}

// Delivery returns the rate that a host was last seen to get.
func (c *Controller) Delivery(h Host) Rate {
	if t := c.tracks[h]; t != nil {
		return t.capacity
	}
	return 0
}

// Lagging returns for how long a host has got less than half of what the median
// host gets, or has been silent. The owner should detach it after a while; it has
// no say in the rate meanwhile.
func (c *Controller) Lagging(now time.Duration, h Host) time.Duration {
	t := c.tracks[h]
	if t == nil {
		return 0
	}
	if t.lagSince > 0 {
		return now - t.lagSince
	}
	return max(now-t.at-c.silence(), 0)
}

// Patience returns how much longer than usual a host may lag: while another's packets are in
// our way, that one's are given the time to make room for a fair share. What leaves us not
// half of it is TCP's slow start, which ends a few round trips through the queue later.
func (c *Controller) Patience(h Host) time.Duration {
	t := c.tracks[h]
	switch {
	case t == nil || !t.keptUp || c.state != competing:
		return 0
	case t.capacity < lagShare*fairShare*c.solo:
		return min(crowdTrips*t.wait, crowdPatience)
	}
	return crowdPatience
}

// silence is how long a host may say nothing before that is remarkable.
func (c *Controller) silence() time.Duration { return 2*c.cfg.Interval + 50*time.Millisecond }

// updateLag compares a host that has just been heard with the median.
func (c *Controller) updateLag(now time.Duration, t *track) {
	if c.median == 0 || now-c.medianAt >= c.cfg.Interval/4 {
		c.updateMedian(now)
	}
	switch {
	case t.capacity >= c.floorOf(now, t):
		if c.state == competing || !t.isPushed() {
			t.lagSince = 0
		}
		t.keptUp = t.keptUp || c.state != starting
	case t.lagSince == 0:
		t.lagSince = max(now, 1)
	}
}

// floor returns the rate under which a host lags, where the median host gets median.
func (c *Controller) floor(median Rate) (floor Rate) {
	if !c.cfg.All {
		floor = lagShare * median
	}
	if median >= c.cfg.MinHost {
		floor = max(floor, c.cfg.MinHost)
	}
	return floor
}

// floorOf returns the rate under which t lags. One whose disk is behind has slowed
// the others down already, so it is compared with what they took before; so is one that
// gets no fair share beside another's packets, for then its own link is slow.
func (c *Controller) floorOf(now time.Duration, t *track) Rate {
	floor := c.floor(min(c.median, max(t.sent, c.limit)))
	if held := startFull * c.floor(c.free); !c.areMostHeld && t.isBehind(now) && c.limit >= held {
		floor = max(floor, held)
	}
	if c.state == competing && !c.cfg.All && (t.lagSince > 0 || t.capacity < startFull*t.sent) {
		floor = max(floor, fairShare*c.solo)
	}
	return floor
}

// IsRefusing reports whether a host lately had no room for what reached it.
func (c *Controller) IsRefusing(now time.Duration, h Host) bool {
	t := c.tracks[h]
	return t != nil && t.isRefusing(now)
}

func (c *Controller) updateMedian(now time.Duration) {
	heard := byCapacity(c.collect(func(t *track) bool { return t.samples > 0 && now-t.at <= c.silence() }))
	c.medianAt = now
	if len(heard) > 0 {
		c.median = heard[len(heard)/2].capacity
	}
}

// collect returns the hosts for which keep. It is valid until the next call.
func (c *Controller) collect(keep func(*track) bool) []*track {
	c.scratch = c.scratch[:0]
	for _, t := range c.list {
		if keep(t) {
			c.scratch = append(c.scratch, t)
		}
	}
	return c.scratch
}

// byCapacity sorts hosts in place.
func byCapacity(tracks []*track) []*track {
	slices.SortFunc(tracks, func(a, b *track) int {
		return cmp.Or(cmp.Compare(a.capacity, b.capacity), cmp.Compare(a.end, b.end), cmp.Compare(a.queue, b.queue))
	})
	return tracks
}

// slowest returns the least capacity among hosts that keep up with the median of
// sorted, which is not empty.
func (c *Controller) slowest(sorted []*track) *track {
	floor := c.floor(sorted[len(sorted)/2].capacity)
	i := slices.IndexFunc(sorted, func(t *track) bool { return t.capacity >= floor })
	return sorted[max(i, 0)]
}
