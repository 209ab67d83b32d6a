package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// receiveLine is a shell's command line that receives.
func receiveLine(h *lab.Host, rest string) string {
	return fmt.Sprintf("daisy-mcast receive --local-ip %v --token-file %s %s", h.Addr(), tokenFile, rest)
}

// TestFault76NativeOutputs: streams go down pipes; a reader that goes away fails its
// own host; and what cannot be shown is not missed.
func TestFault76NativeOutputs(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 4, Rate: "200mbit"})
	sum := x.put(castBytes)
	lines := map[string]string{
		"h1": "set -o pipefail; " + receiveLine(x.Host("h1"), "--out -") + " | sha256sum",
		"h2": "set -o pipefail; " + receiveLine(x.Host("h2"), "--out -") + " | head -c 1000000 >/dev/null",
		"h3": receiveLine(x.Host("h3"), "--out "+outFile) + " 2>&1 | true; sha256sum < " + outFile,
		"h4": receiveLine(x.Host("h4"), "--out "+outFile) + " 2>&-; sha256sum < " + outFile,
	}
	for _, to := range []string{"2>&1 >/dev/null | cat >&2", "2>&1 | true", ">/dev/full 2>/dev/full"} {
		send := fmt.Sprintf("set -o pipefail; daisy-mcast send --local-ip %v --token-file %s --receivers 4 --report /root/report.json %s %s",
			x.sender.Addr(), tokenFile, payloadFile, to)
		x.must(x.sender.Shell(t.Context(), "rm -f "+tokenFile+" /root/report.json"))
		p, err := x.sender.Start(lab.Cmd{Args: []string{"bash", "-c", send}})
		x.must(err)
		token := (&casting{cast: x, send: p}).awaitToken(x.sender)
		got := map[string]lab.Result{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, h := range x.hosts {
			x.must(h.WriteFile(tokenFile, token, 0o600))
			all.Go(func() {
				r := h.Run(within(t, 60*time.Second), "bash", "-c", lines[h.Name()])
				mu.Lock()
				defer mu.Unlock()
				got[h.Name()] = r
			})
		}
		all.Wait()
		sent := p.WaitContext(within(t, 60*time.Second))
		for _, name := range []string{"h1", "h3", "h4"} {
			if want := fmt.Sprintf("%x", sum); !strings.HasPrefix(got[name].Stdout, want) {
				t.Errorf("sender %s: %s has not the stream: %v", to, name, got[name])
			}
		}
		if !got["h1"].OK() {
			t.Errorf("sender %s: %v", to, got["h1"])
		}
		if r := got["h2"]; r.Code != exitFailed || !strings.Contains(r.Stderr, "broken pipe") {
			t.Errorf("its reader went away: %v", r)
		}
		if sent.Code != exitFailed {
			t.Errorf("one of four has failed, and the sender says: %v", sent)
		}
		report, err := x.sender.ReadFile("/root/report.json")
		x.must(err)
		if n := strings.Count(string(report), `"outcome": "done"`); n != 3 {
			t.Errorf("sender %s: %d are done, want 3:\n%s", to, n, report)
		}
		x.clear()
	}
	x.wantNoProcesses()
}
