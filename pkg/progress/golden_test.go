package progress

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got:\n%s\nwant:\n%s", name, got, want)
	}
}

// run is a run of three hosts, with times since its start: one is slow, one
// fails.
func run() []Event {
	at := func(ms int, e Event) Event {
		e.Time = start.Add(time.Duration(ms) * time.Millisecond)
		return e
	}
	received := func(a, b int64) map[string]int64 {
		return map[string]int64{"computer01": a, "computer02": b}
	}
	const total = 4_000_000_000
	return []Event{
		at(0, Event{Kind: StepStarted, Step: "connect", Index: 1, Of: 3, Hosts: 3, Share: 0.1}),
		at(200, Event{Kind: HostState, Step: "connect", Host: "computer01", State: "connected"}),
		at(200, Event{Kind: HostState, Step: "connect", Host: "computer01", State: "connected"}),
		at(400, Event{Kind: HostState, Step: "connect", Host: "computer02", State: "connected"}),
		at(6000, Event{Kind: Warning, Host: "computer02", Message: "the clock is 3 h late"}),
		at(15000, Event{Kind: HostState, Step: "connect", Host: "controller01", State: "failed", Reason: "unreachable: no route to host"}),
		at(15000, Event{Kind: StepDone, Step: "connect"}),
		at(15000, Event{Kind: StepStarted, Step: "send", Index: 2, Of: 3, Share: 0.8}),
		at(15050, Event{Kind: Bytes, Step: "send", Sent: 0, Total: total}),
		at(16000, Event{Kind: Bytes, Step: "send", Sent: 112_000_000, Total: total, Rate: 112e6, Received: received(111_000_000, 60_000_000)}),
		at(16100, Event{Kind: Bytes, Step: "send", Sent: 123_200_000, Total: total, Rate: 112e6}),
		at(18000, Event{Kind: Log, Message: "level=WARN msg=\"a line of the log\""}),
		at(24000, Event{Kind: Bytes, Step: "send", Sent: 1_008_000_000, Total: total, Rate: 112e6, Received: received(1_008_000_000, 600_000_000)}),
		at(51000, Event{Kind: Bytes, Step: "send", Sent: total, Total: total, Rate: 112e6, Received: received(total, 3_900_000_000)}),
		at(51100, Event{Kind: Bytes, Step: "send", Sent: total, Total: total, Received: received(total, total)}),
		at(51100, Event{Kind: StepDone, Step: "send"}),
		at(51100, Event{Kind: StepStarted, Step: "verify", Index: 3, Of: 3, Share: 0.1}),
		at(52000, Event{Kind: HostState, Step: "verify", Host: "computer01", State: "local"}),
		at(52500, Event{Kind: HostState, Step: "verify", Host: "computer02", State: "central", Reason: "disk: 1.2 GB missing"}),
		at(52500, Event{Kind: StepDone, Step: "verify"}),
		at(52600, Event{Kind: Done, Message: "3 hosts: 1 local, 1 central, 1 failed"}),
	}
}

// play gives the run to r, with a tick each second between the events, and calls
// after behind each of both.
func play(r renderer, out *bytes.Buffer, after func(what string, at time.Time)) {
	events := run()
	for i, e := range events {
		r.event(out, e)
		after(string(e.Kind), e.Time)
		if i+1 == len(events) {
			break
		}
		for now := e.Time.Add(time.Second); now.Before(events[i+1].Time); now = now.Add(time.Second) {
			r.tick(out, now)
			after("tick", now)
		}
	}
	r.close(out, events[len(events)-1].Time)
	after("close", events[len(events)-1].Time)
}

func TestLines(t *testing.T) {
	for name, r := range map[string]renderer{
		"plain.golden": &plain{},
		"json.golden":  &jsonLines{},
		"none.golden":  logOnly{},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			play(r, &out, func(string, time.Time) {})
			golden(t, name, out.Bytes())
		})
	}
}

func TestLiveView(t *testing.T) {
	var out, shots bytes.Buffer
	s := newScreen(t, 80)
	last := ""
	r := &tty{width: func() int { return 80 }, color: true}
	play(r, &out, func(what string, at time.Time) {
		s.Write(out.Bytes())
		out.Reset()
		if shot := s.String(); shot != last && what != "tick" {
			fmt.Fprintf(&shots, "%s %s\n%s\n", what, at.Sub(start), shot)
			last = shot
		}
	})
	golden(t, "tty.golden", shots.Bytes())
}
