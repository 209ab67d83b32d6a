package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

func portTaken(f *fakeAgent) { f.errs["serve"] = failure(message.ReasonPort, "pid 7") }

// bypassBench has a globals.d and asks for a way around hosts that fail.
func bypassBench(t *testing.T, hosts int) (b *bench, dropIn func() string) {
	t.Helper()
	b = newBench(t, hosts)
	b.cfg.Bypass, b.cfg.GlobalsDir = true, t.TempDir()
	return b, func() string {
		text, err := os.ReadFile(filepath.Join(b.cfg.GlobalsDir, "zz-daisy-mcast.yml"))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
}

// Kolla is sent to the central registry for hosts that failed where their engines
// can pull from it, and for no others.
func TestBypassOfHostsThatFailed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fakeAgent)
		want  bool
	}{
		"port taken":           {portTaken, true},
		"could not take list":  {func(f *fakeAgent) { f.errs["list"] = failure(message.ReasonStale, "full") }, true},
		"proof fails":          {func(f *fakeAgent) { f.errs["verify"] = failure(message.ReasonVerify, "500") }, true},
		"leans":                {func(f *fakeAgent) { f.check.Disk = &message.Problem{Reason: message.ReasonDisk} }, false},
		"engine cannot pull":   {func(f *fakeAgent) { portTaken(f); f.errs["pull"] = failure(message.ReasonEngine, "x509") }, false},
		"killed, then gone":    {func(f *fakeAgent) { f.dies = "receive"; f.redialErr = unreachable() }, false},
		"SSH refused":          {func(f *fakeAgent) { f.dialErr = unreachable() }, false},
		"another architecture": {func(f *fakeAgent) { f.check.Platform = &message.Problem{Reason: message.ReasonArchitecture} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, dropIn := bypassBench(t, 3)
			c.spoil(b.agents[1])
			rep, err := b.run()
			if err != nil {
				t.Fatal(err)
			}
			if rep.Hosts[1].Bypasses != c.want || strings.Contains(dropIn(), "host1") != c.want && rep.Hosts[1].Outcome != progress.Central {
				t.Errorf("bypasses %v, want %v; the drop-in:\n%s", rep.Hosts[1].Bypasses, c.want, dropIn())
			}
			if rep.Hosts[0].Bypasses || rep.Hosts[2].Bypasses {
				t.Errorf("the others: %+v", rep.Hosts)
			}
			var pull message.Pull
			if c.want && (json.Unmarshal(b.agents[1].bytes[message.CallPull], &pull) != nil || pull.Upstream == nil || string(pull.Upstream.CA) != "ca") {
				t.Errorf("the engine is not told whom to trust: %s", b.agents[1].bytes[message.CallPull])
			}
		})
	}
}

// All hosts failed, and Kolla can pull on all: the drop-in says so.
func TestBypassOfAllHosts(t *testing.T) {
	b, dropIn := bypassBench(t, 2)
	for _, f := range b.agents {
		portTaken(f)
	}
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Failed) != 2 || rep.DropIn == nil {
		t.Fatalf("got %+v, %v", rep, err)
	}
	if text := dropIn(); !strings.Contains(text, "host0") || !strings.Contains(text, "host1") {
		t.Errorf("the drop-in:\n%s", text)
	}
}

// A drop-in that could not be written sends nobody anywhere.
func TestBypassNeedsTheDropIn(t *testing.T) {
	b, _ := bypassBench(t, 2)
	portTaken(b.agents[1])
	b.cfg.GlobalsDir += "/absent"
	if rep, err := b.run(); err != nil || rep.Hosts[1].Bypasses {
		t.Errorf("got %+v, %v", rep.Hosts, err)
	}
}

// A wrong machine is not touched for a bypass either (R3).
func TestBypassLeavesTheWrongMachineAlone(t *testing.T) {
	b, _ := bypassBench(t, 2)
	b.cfg.Hosts[1].MACs = []string{"52:54:00:ff:ff:ff"}
	if rep, err := b.run(); err != nil || rep.Hosts[1].Bypasses || b.agents[1].did(message.CallPull) != 0 {
		t.Errorf("got %+v, %v, calls %v", rep.Hosts[1], err, b.agents[1].calls)
	}
}

// The host on which the run's time went has a way around it too, and the whole
// ends a minute later at most.
func TestBypassAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := bypassBench(t, 3)
		b.cfg.Timeout, b.cfg.Fallback = 5*time.Minute, kolla.Uniform
		b.agents[1].hangs = message.CallVerify
		begin := time.Now()
		rep, err := b.run()
		if took := time.Since(begin); err != nil || took > b.cfg.Timeout+BypassTime+slack {
			t.Fatalf("got %v after %v", err, took)
		}
		if h := rep.Hosts[1]; h.Outcome != progress.Failed || !h.Bypasses {
			t.Errorf("got %+v", h)
		}
	})
}
