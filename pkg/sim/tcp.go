package sim

import (
	"math"
	"time"
)

// A Flow is one TCP connection through a port, with everything to send. It is CUBIC
// as RFC 9438 has it, with the HyStart of RFC 9406 as Linux has it, or Reno, both
// without their details: it shows what a share is.
type Flow struct {
	From, Until time.Duration
	IsReno      bool
}

// Of HyStart: the least window that it ends slow start at, and the bounds of the
// delay which it takes for a queue.
const (
	hystartWindow = 16
	hystartLeast  = 4 * time.Millisecond
	hystartMost   = 16 * time.Millisecond
)

// A tcp is a running flow. Its packets are as large as ours.
type tcp struct {
	Flow
	s        *session
	port     *port
	window   float64 // packets
	inFlight int
	slow     bool          // in slow start
	max      float64       // CUBIC's window before the last cut
	friendly float64       // the window that Reno would have
	epoch    time.Duration // when CUBIC's growth began; 0 before
	cutAt    time.Duration
	least    time.Duration // round trip seen
	sent     int           // packets that arrived
}

func (s *session) startFlow(p *port, f Flow) {
	t := &tcp{Flow: f, s: s, port: p, window: 10, slow: true, least: time.Hour}
	s.flows = append(s.flows, t)
	s.clock.at(f.From, t.send)
}

// send fills the window.
func (t *tcp) send() {
	now := t.s.clock.now
	for now < t.Until && float64(t.inFlight) < t.window {
		t.inFlight++
		if int(t.port.backlog(now))+t.port.frame > t.port.Queue {
			t.s.clock.at(now+t.port.Rate.Time(t.port.backlog(now))+2*t.port.Delay, t.lost)
			continue
		}
		t.s.clock.at(t.port.occupy(now)+t.port.Delay, func() { t.acked(t.s.clock.now - now) })
	}
}

func (t *tcp) acked(trip time.Duration) {
	t.inFlight--
	t.sent++
	t.least = min(t.least, trip)
	switch {
	case t.slow:
		t.window++
		t.slow = t.IsReno || t.window < hystartWindow || trip < t.least+min(max(t.least/8, hystartLeast), hystartMost)
	case t.IsReno:
		t.window += 1 / t.window
	default:
		t.growCubic()
	}
	t.send()
}

// growCubic grows the window as CUBIC does, or as Reno would, whichever is more.
func (t *tcp) growCubic() {
	now := t.s.clock.now
	if t.epoch == 0 {
		t.epoch, t.friendly, t.max = now, t.window, max(t.max, t.window)
	}
	t.friendly += 0.53 / t.window
	k := math.Cbrt((t.max - t.window) / 0.4)
	if t.cutAt > 0 {
		k = math.Cbrt(t.max * 0.3 / 0.4)
	}
	cubic := 0.4*math.Pow((now-t.epoch).Seconds()-k, 3) + t.max
	if target := max(cubic, t.friendly); target > t.window {
		t.window += min((target-t.window)/t.window, 0.5)
	}
}

// lost cuts the window, once a round trip.
func (t *tcp) lost() {
	t.inFlight--
	now := t.s.clock.now
	trip := t.port.Rate.Time(float64(t.port.Queue)) + 2*t.port.Delay
	if now-t.cutAt > trip || t.cutAt == 0 {
		cut := 0.7
		if t.IsReno {
			cut = 0.5
		}
		t.max, t.cutAt, t.epoch, t.slow = t.window, now, 0, false
		t.window = max(t.window*cut, 2)
	}
	t.send()
}
