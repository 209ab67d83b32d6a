package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// sentReport is what `send --report` writes, as far as this test reads it.
type sentReport struct {
	Schema    int    `json:"schema"`
	Error     string `json:"error"`
	Bytes     int64  `json:"bytes"`
	Receivers []struct {
		Name     string `json:"name"`
		Outcome  string `json:"outcome"`
		Reason   string `json:"reason"`
		Detached string `json:"detached"`
		Received uint64 `json:"received_packets"`
	} `json:"receivers"`
}

// TestSlowHosts: one host of three takes a tenth of the rate. It is served after the
// others, or waited for, or given up, as --slow-hosts says; the report says which.
func TestSlowHosts(t *testing.T) {
	t.Parallel()
	const size = 12 << 20
	for policy, want := range map[string]struct {
		outcome, detached, reason string
		isWaitedFor               bool
	}{
		"detach": {"done", "too slow", "", false},
		"wait":   {"done", "", "", true},
		"drop":   {"failed", "", "too slow", false},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit"})
			sum := x.put(size)
			without := x.calm(sum, x.hosts...)
			h3 := x.Host("h3")
			x.must(x.Switch(lab.Management).LimitPort(h3.Name(), "10mbit"))
			c := x.begin(x.hosts, "--slow-hosts", policy, "--report", "/root/report.json")
			r := c.end(60*time.Second, sum)
			r.wantDone(x.others(h3)...)
			if want.isWaitedFor {
				if took := r.slowest(x.others(h3)...); took < 3*without {
					t.Errorf("the others took %v, %v without a slow host: nobody waited", took, without)
				}
			} else {
				r.wantNotHeldUp(without, x.others(h3)...)
			}
			code := 0
			if want.outcome == "failed" {
				code = exitFailed
				r.wantFailed(h3, "too slow")
			}
			r.wantSent(code)
			text, err := x.sender.ReadFile("/root/report.json")
			x.must(err)
			var report sentReport
			x.must(json.Unmarshal(text, &report))
			if report.Schema != 1 || report.Bytes != size || len(report.Receivers) != 3 {
				t.Errorf("the report: %s", text)
			}
			for _, got := range report.Receivers {
				if got.Name != h3.Addr().String() {
					if got.Outcome != "done" || got.Received == 0 || got.Detached != "" {
						t.Errorf("one that is not slow: %+v", got)
					}
				} else if got.Outcome != want.outcome || !strings.Contains(got.Detached, want.detached) || !strings.Contains(got.Reason, want.reason) {
					t.Errorf("the slow one: %+v, want %+v", got, want)
				}
			}
		})
	}
}
