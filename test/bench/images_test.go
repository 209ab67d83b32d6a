package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// TestWatchLeavesOthersOut: what runs the program elsewhere on the machine is not the
// fleet's.
func TestWatchLeavesOthersOut(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "daisy-mcast-test")
	if err := os.Symlink(shell, program); err != nil {
		t.Fatal(err)
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ours, others := newWatch(here, nil), newWatch("net:[1]", []string{"net:[2]"})
	cmd := exec.Command(program, "-c", "echo; read line; :")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for found := false; !found && time.Now().Before(deadline); {
		time.Sleep(watchInterval)
		name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "comm"))
		found = strings.HasPrefix(string(name), "daisy-mcast")
	}
	time.Sleep(5 * watchInterval)
	if m := ours.stop(); m.sender.memory == 0 || ours.seen[cmd.Process.Pid].memory == 0 {
		t.Errorf("it was not seen, but %+v", m)
	}
	if others.stop(); len(others.seen) > 0 {
		t.Errorf("%d processes are others'", len(others.seen))
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
