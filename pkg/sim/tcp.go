package sim

import (
	"math"
	"time"
)

// A Flow is one TCP connection through a port, with everything to send. It is
// CUBIC as RFC 9438 has it, without its details: it shows what a share is.
type Flow struct {
	From, Until time.Duration
}

// A tcp is a running flow. Its packets are as large as ours.
type tcp struct {
	s        *session
	port     *port
	window   float64 // packets
	inFlight int
	slow     bool // in slow start
	max      float64
	cutAt    time.Duration
	until    time.Duration
	sent     int // packets that arrived
}

func (s *session) startFlow(p *port, f Flow) {
	t := &tcp{s: s, port: p, window: 10, slow: true, until: f.Until}
	s.flows = append(s.flows, t)
	s.clock.at(f.From, t.send)
}

// send fills the window.
func (t *tcp) send() {
	now := t.s.clock.now
	for now < t.until && float64(t.inFlight) < t.window {
		t.inFlight++
		if int(t.port.backlog(now))+t.port.frame > t.port.Queue {
			t.s.clock.at(now+t.port.Rate.Time(t.port.backlog(now))+2*t.port.Delay, t.lost)
			continue
		}
		t.s.clock.at(t.port.occupy(now)+t.port.Delay, t.acked)
	}
}

func (t *tcp) acked() {
	t.inFlight--
	t.sent++
	if t.slow {
		t.window++
	} else {
		now := t.s.clock.now
		trip := max(t.port.Rate.Time(t.port.backlog(now))+2*t.port.Delay, 100*time.Microsecond)
		since := (now - t.cutAt).Seconds()
		cubic := 0.4*math.Pow(since-math.Cbrt(t.max*0.3/0.4), 3) + t.max
		reno := t.max*0.7 + 0.53*since/trip.Seconds()
		if target := max(cubic, reno); target > t.window {
			t.window += min((target-t.window)/t.window, 0.5)
		}
	}
	t.send()
}

// lost halves the window, nearly, once a round trip.
func (t *tcp) lost() {
	t.inFlight--
	now := t.s.clock.now
	trip := t.port.Rate.Time(float64(t.port.Queue)) + 2*t.port.Delay
	if now-t.cutAt > trip || t.cutAt == 0 {
		t.max, t.cutAt, t.slow = t.window, now, false
		t.window = max(t.window*0.7, 2)
	}
	t.send()
}
