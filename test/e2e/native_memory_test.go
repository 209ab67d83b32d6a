package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

const (
	// memoryBytes is sent: far more than a side may keep.
	memoryBytes = 640 << 20
	// memoryBound is what a process may have in memory at its peak: 64 MiB of buffers,
	// as the design says, and the program, its stacks, and what the collector of a heap
	// with such buffers leaves for later.
	memoryBound = 128 << 20
)

// TestMemoryIsBounded sends ten times the buffers of a side, to a file and down a pipe,
// with loss, from a file and from a pipe; who reads the pipe comes late. No process grows with it.
func TestMemoryIsBounded(t *testing.T) {
	for _, from := range []string{payloadFile, "- < <(cat " + payloadFile + ")"} {
		x := newCast(t, castConfig{Hosts: 2})
		sum := x.put(memoryBytes)
		for _, h := range x.hosts {
			x.must(h.Lose(1))
		}
		// A rate of its own: the other tests on this machine have the processors too.
		send := fmt.Sprintf("exec daisy-mcast send --local-ip %v --token-file %s --receivers 2 --max-rate 800M --slow-hosts wait %s",
			x.sender.Addr(), tokenFile, from)
		x.must(x.sender.Shell(t.Context(), "rm -f "+tokenFile))
		p, err := x.sender.Start(lab.Cmd{Args: []string{"bash", "-c", send}})
		x.must(err)
		token := (&casting{cast: x, send: p}).awaitToken(x.sender)
		peaks := watchPeaks(t, x)
		lines := map[string]string{
			"h1": receiveLine(x.Host("h1"), "--out "+outFile) + "; sha256sum < " + outFile,
			"h2": receiveLine(x.Host("h2"), "--out -") + " | { sleep 2; sha256sum; }",
		}
		var all sync.WaitGroup
		for _, h := range x.hosts {
			x.must(h.WriteFile(tokenFile, token, 0o600))
			all.Go(func() {
				r := h.Run(within(t, 2*time.Minute), "bash", "-c", lines[h.Name()])
				if want := fmt.Sprintf("%x", sum); !strings.HasPrefix(r.Stdout, want) {
					t.Errorf("%s has not the stream: %v", h.Name(), r)
				}
				t.Logf("%s: %s", h.Name(), r.Stderr)
			})
		}
		all.Wait()
		if r := p.WaitContext(within(t, time.Minute)); !r.OK() {
			t.Errorf("sending %s: %v", from, r)
		}
		found := peaks()
		if len(found) != 3 {
			t.Errorf("%d processes were watched, want 3", len(found))
		}
		for who, peak := range found {
			t.Logf("%s, sending %s: %d MiB at its peak", who, from, peak>>20)
			if peak < 1<<20 || peak > memoryBound {
				t.Errorf("%s, sending %s: %d MiB at its peak, want at most %d", who, from, peak>>20, memoryBound>>20)
			}
		}
	}
}

// watchPeaks looks at the program's processes on all hosts until its result is called,
// which tells the peak of each.
func watchPeaks(t *testing.T, x *cast) (result func() map[string]int64) {
	peaks := map[string]int64{}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, h := range x.Hosts() {
				for _, p := range h.FindProcesses("daisy-mcast") {
					if p.Name == "daisy-mcast" {
						who := fmt.Sprintf("%s %d", h.Name(), p.PID)
						peaks[who] = max(peaks[who], peakOf(h, p.PID))
					}
				}
			}
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() map[string]int64 {
		close(quit)
		<-ended
		return peaks
	}
}

// peakOf is the most memory that a process ever had resident.
func peakOf(h *lab.Host, pid int) int64 {
	text, err := h.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it has ended
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
