package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A bedB is a cast whose sender is not held back: each port of the switch towards a
// receiver has a rate, and a queue of 256 KB that drops what does not fit.
type bedB struct {
	*cast
	link float64 // bytes a second, Ethernet headers counted
}

const (
	// tbfBurst is what a port lets through at once after a pause: LimitPort's burst.
	tbfBurst = 64 << 10
	// frameBytes and payloadBytes are those of a full packet.
	frameBytes, payloadBytes = 1514, 1432
)

func newBedB(t *testing.T, mbit int, c castConfig) *bedB {
	t.Helper()
	b := &bedB{cast: newCast(t, c), link: float64(mbit) * 1e6 / 8}
	for _, h := range b.hosts {
		b.limit(h, mbit)
	}
	return b
}

func (b *bedB) limit(h *lab.Host, mbit int) {
	b.t.Helper()
	b.must(b.Switch(lab.Management).LimitPort(h.Name(), fmt.Sprintf("%dmbit", mbit)))
}

// payload returns the bytes of a stream that takes so long at the link's rate.
func (b *bedB) payload(d time.Duration) int {
	return int(b.link * d.Seconds() * payloadBytes / frameBytes)
}

// quietMachine is how many processors others may use, on average, while something is
// measured. More than that takes the sender off its processor for as long as a rate is
// judged by: 150 of 1500 ms.
const quietMachine = 0.1

const (
	attempts      = 6               // at a measurement that others disturb
	quietPatience = 5 * time.Second // between two of them
)

// measured has a rate or a time measured, and fails the test if something is wrong with
// it. That tells of the program where others leave the machine to the lab. Where they do
// not it is measured again; when they never do nothing is known, and the test skips -
// with CI=true too, for it is not the machine that lacks something.
func (x *cast) measured(measure func() (wrong []string)) {
	x.t.Helper()
	measured(x.t, x.Lab, measure)
}

func measured(t *testing.T, l *lab.Lab, measure func() (wrong []string)) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		stop := l.Others()
		wrong := measure()
		others, known := stop()
		what := fmt.Sprintf("%s (others used %.2f processors meanwhile)", strings.Join(wrong, "; "), others)
		switch {
		case len(wrong) == 0:
			return
		case !known || others <= quietMachine:
			t.Error(what)
			return
		case attempt == attempts:
			t.Skipf("others disturbed all of %d measurements; the last: %s", attempts, what)
		}
		t.Logf("measured again: %s", what)
		awaitQuiet(l)
	}
}

// awaitQuiet waits for a moment in which others leave the machine alone.
func awaitQuiet(l *lab.Lab) {
	for deadline := time.Now().Add(quietPatience); time.Now().Before(deadline); {
		stop := l.Others()
		time.Sleep(500 * time.Millisecond)
		if others, _ := stop(); others <= quietMachine {
			return
		}
	}
}

// run sends the payload to all, and returns what passed h1's port meanwhile.
func (b *bedB) run(sum [32]byte, args ...string) (castResult, timeline) {
	b.t.Helper()
	stop := b.meter()
	r := b.begin(b.hosts, args...).end(60*time.Second, sum)
	l := stop()
	b.clear()
	return r, l
}

// meter reads the queue of h1's port every 10 ms, until stop.
func (b *bedB) meter() (stop func() timeline) {
	m := b.Switch(lab.Management).MeterQueue(b.hosts[0].Name(), 10*time.Millisecond)
	return func() timeline {
		b.t.Helper()
		log, err := m.Stop()
		b.must(err)
		return log
	}
}

// cut waits for the good hosts of a casting, and ends what the bad one still needs.
func (c *casting) cut(sum [32]byte, good []*lab.Host, bad *lab.Host) castResult {
	c.t.Helper()
	ctx := within(c.t, 60*time.Second)
	for _, h := range good {
		waitFor(ctx, c.receives[h])
	}
	c.receives[bad].Signal(unix.SIGKILL)
	c.send.Signal(unix.SIGKILL)
	c.receives[bad].Wait()
	delete(c.receives, bad)
	return c.end(10*time.Second, sum)
}

// A timeline is what went through a port's queue over time.
type timeline []lab.QueueReading

// at returns the last reading of t or before, or else the first.
func (l timeline) at(t time.Time) lab.QueueReading {
	last := l[0]
	for _, r := range l {
		if r.At.After(t) {
			break
		}
		last = r
	}
	return last
}

// rate returns the bytes a second that left the queue between two moments.
func (l timeline) rate(from, to time.Time) float64 {
	a, b := l.at(from), l.at(to)
	if d := b.At.Sub(a.At).Seconds(); d > 0 {
		return float64(b.Bytes-a.Bytes) / d
	}
	return 0
}

// drops returns how many packets found no room after a moment.
func (l timeline) drops(after time.Time) int {
	return int(l[len(l)-1].Drops - l.at(after).Drops)
}

// until returns when a share of all bytes had left the queue.
func (l timeline) until(share float64) time.Time {
	all := float64(l[len(l)-1].Bytes - l[0].Bytes)
	for _, r := range l {
		if float64(r.Bytes-l[0].Bytes) >= share*all {
			return r.At
		}
	}
	return l[len(l)-1].At
}

// reached returns how long after a moment so much of a rate has left the queue for
// 100 ms, what its bucket gave at once not counted; or else an hour.
func (l timeline) reached(from time.Time, rate float64) time.Duration {
	const window = 100 * time.Millisecond
	for _, r := range l {
		if r.At.Before(from) || r.Bytes-l.at(from).Bytes < tbfBurst {
			continue
		}
		if l.rate(r.At, r.At.Add(window)) >= rate {
			return r.At.Add(window).Sub(from)
		}
	}
	return time.Hour
}

// fastest returns the greatest rate of any 100 ms after a moment.
func (l timeline) fastest(from time.Time) (rate float64) {
	const window = 100 * time.Millisecond
	for _, r := range l {
		if !r.At.Before(from) && !r.At.Add(window).After(l[len(l)-1].At) {
			rate = max(rate, l.rate(r.At, r.At.Add(window)))
		}
	}
	return rate
}

// plot logs a line for each 50 ms, for -v.
func (l timeline) plot(t *testing.T, began time.Time, link float64) {
	const step = 50 * time.Millisecond
	for at := began; at.Before(l.until(.999)); at = at.Add(step) {
		r := l.at(at.Add(step))
		t.Logf("%5d ms: %.3f of the link's rate, %6d bytes wait, %d dropped", at.Sub(began).Milliseconds(),
			l.rate(at, r.At)/link, r.Backlog, r.Drops-l.at(began).Drops)
	}
}
