package progress

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A view is what is known of a run: the sum of its events. It does no I/O and
// never asks for the time.
type view struct {
	started time.Time // of the run: its first event

	step        string
	index, of   int
	stepStarted time.Time // zero when no step runs
	share       float64
	before      float64 // share of the steps that are done

	sent, total int64
	meter       meter

	hosts      map[string]*hostView
	hostsTotal int
}

type hostView struct {
	name, state, reason string
	received            int64 // in this step
	reports             bool  // whether received was ever told in this step
}

// apply takes e in. It reports whether a host's state is another than before,
// which is what makes a line of its own.
func (v *view) apply(e Event) (isNewState bool) {
	if v.started.IsZero() {
		v.started = e.Time
	}
	v.hostsTotal = max(v.hostsTotal, e.Hosts)
	switch e.Kind {
	case StepStarted:
		v.startStep(e)
	case StepDone:
		v.finishStep()
	case Bytes:
		v.bytes(e)
	case HostState:
		h := v.host(e.Host)
		isNewState = h.state != e.State || h.reason != e.Reason
		h.state, h.reason = e.State, e.Reason
	}
	return isNewState
}

func (v *view) startStep(e Event) {
	v.finishStep() // a step that nobody ended is over when the next begins
	v.step, v.index, v.of, v.stepStarted = e.Step, e.Index, e.Of, e.Time
	v.share = e.Share
	if v.share <= 0 && v.of > 0 {
		v.share = 1 / float64(v.of)
	}
}

func (v *view) finishStep() {
	v.before = min(v.before+v.share, 1)
	v.share, v.sent, v.total, v.meter = 0, 0, 0, meter{}
	v.stepStarted = time.Time{}
	for _, h := range v.hosts {
		h.received, h.reports = 0, false
	}
}

func (v *view) bytes(e Event) {
	v.sent, v.total = e.Sent, e.Total
	v.meter.add(e)
	for name, received := range e.Received {
		h := v.host(name)
		h.received, h.reports = received, true
	}
}

func (v *view) host(name string) *hostView {
	if v.hosts == nil {
		v.hosts = make(map[string]*hostView)
	}
	h := v.hosts[name]
	if h == nil {
		h = &hostView{name: name}
		v.hosts[name] = h
		v.hostsTotal = max(v.hostsTotal, len(v.hosts))
	}
	return h
}

// isRunning reports whether a step has begun and not ended.
func (v *view) isRunning() bool { return !v.stepStarted.IsZero() }

// stepFraction is the part of the running step that is done, 0 to 1, as far as
// bytes tell.
func (v *view) stepFraction() float64 {
	if v.total <= 0 {
		return 0
	}
	return min(max(float64(v.sent)/float64(v.total), 0), 1)
}

// jobFraction is the part of the whole run that is done, 0 to 1.
func (v *view) jobFraction() float64 {
	return min(v.before+v.share*v.stepFraction(), 1)
}

// eta is the time that the running step still takes at its present rate; ok is
// false when that cannot be said.
func (v *view) eta() (d time.Duration, ok bool) {
	const longest = 100 * time.Hour // beyond it the number says nothing
	if v.meter.rate <= 0 || v.total <= v.sent {
		return 0, false
	}
	seconds := float64(v.total-v.sent) / v.meter.rate
	if seconds > longest.Seconds() {
		return 0, false
	}
	return time.Duration(math.Ceil(seconds)) * time.Second, true
}

// settled counts the hosts that have an outcome.
func (v *view) settled() int {
	n := 0
	for _, h := range v.hosts {
		if isOutcome(h.state) {
			n++
		}
	}
	return n
}

// slowest returns at most n hosts that received least in this step. Hosts that
// have all of it, or an outcome, are none of them.
func (v *view) slowest(n int) []*hostView {
	var behind []*hostView
	for _, h := range v.hosts {
		if h.reports && h.received < v.total && !isOutcome(h.state) {
			behind = append(behind, h)
		}
	}
	slices.SortFunc(behind, func(a, b *hostView) int {
		return cmp.Or(cmp.Compare(a.received, b.received), cmp.Compare(a.name, b.name))
	})
	return behind[:min(n, len(behind))]
}

// A meter makes a steady rate of unsteady events.
type meter struct {
	rate float64 // bytes a second
	at   time.Time
	sent int64
}

// meterMemory is how long a change of the rate takes to show: long enough to
// read the number, short enough to see a stall.
const meterMemory = 2 * time.Second

// add takes in an event of kind Bytes. Who sends knows its rate best; else it
// comes from what was sent since the event before.
func (m *meter) add(e Event) {
	since := e.Time.Sub(m.at)
	switch {
	case e.Rate > 0:
		m.rate = e.Rate
	case m.at.IsZero():
	case since < 50*time.Millisecond: // too short to divide by
		return
	default:
		now := max(float64(e.Sent-m.sent)/since.Seconds(), 0)
		weight := 1 - math.Exp(-float64(since)/float64(meterMemory))
		if m.rate == 0 {
			weight = 1
		}
		m.rate += (now - m.rate) * weight
	}
	m.at, m.sent = e.Time, e.Sent
}
