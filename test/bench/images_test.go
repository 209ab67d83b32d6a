package main

import (
	"testing"
	"time"
)

// TestImageLine: the middle of the rounds counts, and the largest peak.
func TestImageLine(t *testing.T) {
	rounds := [][]measure{
		{{value: 3, ours: time.Second, sender: usage{memory: 7}}},
		{{value: 1, ours: 2 * time.Second, sender: usage{memory: 5}}},
		{{value: 2, ours: 3 * time.Second, sender: usage{memory: 9}}},
	}
	l := line{row: row{target: atMost(2)}, failed: true}
	l.take(0, rounds)
	if l.median != 2 || l.low != 1 || l.high != 3 || l.sender.memory != 9 || l.verdict() != "ok" {
		t.Errorf("%+v is %q", l, l.verdict())
	}
}

func TestChooseImages(t *testing.T) {
	if all := chooseImages(options{}); len(all) != len(imageCases()) {
		t.Errorf("%d cases without a choice", len(all))
	}
	for _, c := range imageCases() {
		if got := chooseImages(options{only: "sim," + c.name}); len(got) != 1 || got[0].name != c.name {
			t.Errorf("-case %s chooses %v", c.name, got)
		}
		if len(c.rows) == 0 || c.open == nil {
			t.Errorf("%s has nothing to measure", c.name)
		}
	}
}

// TestPeakMemory reads this process's own.
func TestPeakMemory(t *testing.T) {
	if got := peakMemory("/proc/self"); got < mib || got > 1<<40 {
		t.Errorf("%d bytes", got)
	}
	if got := processTime("/proc/self"); got < 0 || got > time.Hour {
		t.Errorf("%v", got)
	}
}
