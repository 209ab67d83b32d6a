package main

import (
	"strings"
	"testing"
	"time"
)

// roundOf is a round with one shot.
func roundOf(tcp, ours time.Duration) round {
	return round{size: 125 << 20, tcp: sample{took: tcp}, shots: []sample{{took: ours}}}
}

func TestMedianDecides(t *testing.T) {
	s := scene{rows: []row{
		{"fast enough", 0, ofTCP, atLeast(0.9)}, {"too slow", 0, ofTCP, atLeast(0.95)},
		{"little enough", 0, seconds, atMost(2.5)}, {"too much", 0, seconds, atMost(1.5)}, {"told only", 0, seconds, target{}},
	}}
	lines := s.lines([]round{
		roundOf(2*time.Second, 8*time.Second), roundOf(2*time.Second, 2*time.Second), roundOf(1840*time.Millisecond, 2*time.Second),
	})
	for i, want := range []string{"ok", "miss", "ok", "miss", ""} {
		if got := lines[i].verdict(); got != want {
			t.Errorf("%s: got %q, want %q; the median is %.2f", lines[i].title, got, want, lines[i].median)
		}
	}
	if n := missed(lines); n != 2 {
		t.Errorf("%d targets missed, want 2", n)
	}
}

func TestSceneWithoutRoundsFails(t *testing.T) {
	lines := scene{rows: []row{{"lost", 0, seconds, target{}}}}.lines(nil)
	if got := lines[0].verdict(); got != "fail" || missed(lines) != 1 {
		t.Errorf("got %q, want fail", got)
	}
}

func TestSlowTCPSpoilsARound(t *testing.T) {
	s := scene{hosts: 1, mbit: 1000}
	// 125 MiB take 1.10 s with headers.
	if r := roundOf(1150*time.Millisecond, time.Second); s.isSpoilt(r) {
		t.Error("TCP at the link's rate spoils the round")
	}
	if r := roundOf(1300*time.Millisecond, time.Second); !s.isSpoilt(r) {
		t.Error("TCP far below the link's rate does not spoil the round")
	}
	s.mbit = 0
	if s.isSpoilt(roundOf(time.Hour, time.Second)) {
		t.Error("an unshaped link has a rate to compare with")
	}
}

func TestSlowestBareReceiverCounts(t *testing.T) {
	var s sample
	if err := s.takeSlowest([]string{"3000 1000000000\n", "2000 1000000000\n", "9000 2000000000\n"}); err != nil {
		t.Fatal(err)
	}
	if s.arrived != 2000 || s.took != time.Second {
		t.Errorf("got %d bytes in %v", s.arrived, s.took)
	}
	for _, bad := range []string{"", "0 0", "nonsense"} {
		if err := s.takeSlowest([]string{bad}); err == nil {
			t.Errorf("%q is a result", bad)
		}
	}
}

func TestRowsSpeakOfShots(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenes() {
		if names[s.name] || strings.Contains(s.name, ",") {
			t.Errorf("%s cannot be chosen by its name", s.name)
		}
		names[s.name] = true
		for _, r := range s.rows {
			if r.shot >= len(s.shots) {
				t.Errorf("%s: there is no shot %d", r.title, r.shot)
			}
		}
	}
}

func TestOthersAreWhatIsLeft(t *testing.T) {
	busy := parseBusy("cpu  100 20 30 9999 8888 1 2 47 5 5\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if busy != 2*time.Second {
		t.Fatalf("busy for %v, want 2 s", busy)
	}
	s := sample{sender: usage{cpu: 400 * time.Millisecond}, receivers: usage{cpu: 100 * time.Millisecond}}
	if got := s.othersSince(busy, 2*time.Second, 6); got != 0.5 {
		t.Errorf("others had %v cores, want 0.5", got)
	}
}
