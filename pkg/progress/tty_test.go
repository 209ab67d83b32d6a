package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestLiveViewDrawsAtMostTenTimesASecond(t *testing.T) {
	var out bytes.Buffer
	r := &tty{width: func() int { return 80 }}
	r.event(&out, Event{Time: start, Kind: StepStarted, Step: "send", Index: 1, Of: 1})
	out.Reset()
	draws := 0
	for ms := range 10_000 {
		now := start.Add(time.Duration(ms) * time.Millisecond)
		r.event(&out, Event{Time: now, Kind: Bytes, Step: "send", Sent: int64(ms), Total: 10_000})
		r.tick(&out, now)
		if out.Len() > 0 {
			draws++
		}
		out.Reset()
	}
	if draws < 90 || draws > 100 {
		t.Errorf("%d draws in 10 s, want just under 100", draws)
	}
}

func TestLiveViewShowsAnEventThatCameTooSoon(t *testing.T) {
	var out bytes.Buffer
	r := &tty{width: func() int { return 80 }}
	r.event(&out, Event{Time: start, Kind: StepStarted, Step: "send", Index: 1, Of: 1})
	out.Reset()
	r.event(&out, Event{Time: start.Add(10 * time.Millisecond), Kind: Bytes, Sent: 1, Total: 2})
	if out.Len() > 0 {
		t.Errorf("drawn at once: %q", out.String())
	}
	r.tick(&out, start.Add(drawInterval))
	if !strings.Contains(out.String(), "50 %") {
		t.Errorf("the tick drew %q", out.String())
	}
	out.Reset()
	r.tick(&out, start.Add(drawInterval+idleInterval/2))
	if out.Len() > 0 {
		t.Errorf("drawn with nothing new: %q", out.String())
	}
}

func TestLiveViewFitsAnyTerminal(t *testing.T) {
	for _, width := range []int{1, 2, 10, 20, 40, 79, 200} {
		var out bytes.Buffer
		s := newScreen(t, width+1000) // for the lasting lines, which a terminal may wrap
		r := &tty{width: func() int { return width }}
		play(r, &out, func(string, time.Time) {
			s.Write(out.Bytes())
			out.Reset()
			for i := range r.live {
				if line := s.lines[s.row-i]; len(line) >= width {
					t.Errorf("width %d: the view has a line of %d: %q", width, len(line), string(line))
				}
			}
		})
	}
}

func TestLiveViewLeavesNothingBehind(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(t, 80)
	r := &tty{width: func() int { return 80 }}
	r.event(&out, Event{Time: start, Kind: StepStarted, Step: "send", Index: 1, Of: 1})
	s.Write(out.Bytes())
	if got := s.String(); !strings.Contains(got, "send") {
		t.Fatalf("nothing was drawn:\n%s", got)
	}
	out.Reset()
	r.close(&out, start)
	s.Write(out.Bytes())
	if got := s.String(); got != "| \n" || s.col != 0 {
		t.Errorf("left on the screen, with the cursor in column %d:\n%s", s.col, got)
	}
}

func TestColor(t *testing.T) {
	events := []Event{
		{Time: start, Kind: HostState, Host: "a", State: "failed"},
		{Time: start, Kind: HostState, Host: "b", State: "local"},
		{Time: start, Kind: HostState, Host: "c", State: "central"},
	}
	for _, tt := range []struct {
		noColor bool
		want    string
	}{
		{false, "\x1b[31ma: failed\x1b[0m\n\x1b[32mb: local\x1b[0m\n\x1b[33mc: central\x1b[0m\n"},
		{true, "a: failed\nb: local\nc: central\n"},
	} {
		var out bytes.Buffer
		r := Config{Mode: TTY, NoColor: tt.noColor}.renderer()
		for _, e := range events {
			r.event(&out, e)
		}
		if got := out.String(); got != tt.want {
			t.Errorf("NoColor %v: got %q, want %q", tt.noColor, got, tt.want)
		}
	}
}

func TestHostsCannotDriveTheTerminal(t *testing.T) {
	evil := "a\x1b[2J\rb\nc\u009b1A\u202ed\x07\xff\te"
	events := []Event{
		{Time: start, Kind: StepStarted, Step: evil, Index: 1, Of: 1},
		{Time: start, Kind: HostState, Host: evil, State: evil, Reason: evil},
		{Time: start, Kind: HostState, Host: evil + "2", State: "failed", Reason: evil},
		{Time: start, Kind: Warning, Host: evil, Message: evil},
		{Time: start, Kind: Log, Message: evil},
		{Time: start, Kind: Bytes, Sent: 1, Total: 9, Received: map[string]int64{evil: 1}},
		{Time: start.Add(time.Hour), Kind: Bytes, Sent: 2, Total: 9},
		{Time: start, Kind: StepDone, Step: evil},
		{Time: start, Kind: Done, Message: evil},
	}
	for name, r := range map[string]renderer{
		"tty": &tty{width: func() int { return 200 }}, "plain": &plain{}, "json": &jsonLines{}, "none": logOnly{},
	} {
		var out bytes.Buffer
		for _, e := range events {
			r.event(&out, e)
			for _, bad := range []string{"\x1b[2J", "\u009b", "\u202e", "\x07", "\xff", "b\nc", "\rb"} {
				if name == "json" && (bad == "\u009b" || bad == "\u202e") {
					continue // a string of JSON may hold them; no terminal is meant to read it
				}
				if strings.Contains(out.String(), bad) {
					t.Errorf("%s, %s: %q came through in %q", name, e.Kind, bad, out.String())
				}
			}
			out.Reset()
		}
	}
}
