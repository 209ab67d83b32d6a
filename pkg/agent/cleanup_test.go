package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// A registry that a session started for a set which was never switched to goes
// with the session (I6); one that ran before, or serves the set, stays (fault 73).
func TestCleanUpOfTheRegistry(t *testing.T) {
	f := newFleet(t, 0)
	dir := t.TempDir()
	first := newNode(t, dir, "127.0.0.2")
	first.list(f.set, f.upstream)
	first.must(message.CallServe, message.Serve{}, nil)
	if !first.runs() {
		t.Fatal("it does not run")
	}
	first.end()
	if first.runs() {
		t.Fatal("it goes on although nothing was switched to")
	}

	second := newNode(t, dir, "127.0.0.2")
	second.list(f.set, f.upstream)
	second.must(message.CallServe, message.Serve{}, nil)
	second.must(message.CallActivate, message.Activate{SetID: f.set.ID, Lean: true}, nil)
	second.end()
	if !second.runs() {
		t.Fatal("it ended with the session although it serves the set")
	}

	third := startAgent(t)
	third.setup = second.setup
	third.must(message.CallSetup, third.setup, nil)
	third.list(f.set, f.upstream)
	third.must(message.CallServe, message.Serve{}, nil)
	third.end()
	if !third.runs() {
		t.Error("a session that changed nothing ended what it had found running")
	}
}

// The central registry outlives the run, and a shared host asks nothing else.
func TestR11CentralServesTheSharedHost(t *testing.T) {
	f := newFleet(t, 0)
	shared := startAgent(t)
	shared.setup = f.sender.setup
	shared.must(message.CallSetup, shared.setup, nil)
	shared.must(message.CallList, message.List{Set: f.set, Upstream: f.upstream, Shared: true}, nil)
	shared.refuses(message.CallServe, message.Serve{Shared: true}, message.ReasonRegistry, "") // not on its address yet
	central := message.Central{SetID: f.set.ID, Listen: f.central, Local: shared.setup.Listen}
	f.sender.must(message.CallCentral, central, nil)
	f.sender.end()
	if !f.sender.runs() {
		t.Fatal("the central registry ended with the run")
	}
	shared.must(message.CallServe, message.Serve{Shared: true}, nil)
	shared.must(message.CallVerify, message.Verify{SetID: f.set.ID}, nil)
	shared.must(message.CallReach, message.Reach{SetID: f.set.ID, Upstream: f.upstream}, nil)
}

// Old versions of the program go once the registry runs the new one, but never
// one that a process runs, nor a copy that is under way.
func TestSweepKeepsWhatIsInUse(t *testing.T) {
	dir, proc := t.TempDir(), t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"daisy-mcast-1111111111111111":         time.Hour,
		"daisy-mcast-2222222222222222":         time.Hour,
		"daisy-mcast-3333333333333333":         time.Second,
		"daisy-mcast-4444444444444444.new-abc": time.Hour,
		"daisy-mcast-5555555555555555.new-abc": time.Second,
		"somebodys-tool":                       time.Hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for pid, exe := range map[string]string{"7": filepath.Join(dir, "daisy-mcast-2222222222222222"), "2": "/gone"} {
		if err := os.Mkdir(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(exe, filepath.Join(proc, pid, "exe")); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(dir, proc, now.Add(-unfinishedAge)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := []string{"daisy-mcast-2222222222222222", "daisy-mcast-5555555555555555.new-abc", "somebodys-tool"}
	if !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
	if err := sweep(filepath.Join(dir, "absent"), proc, now); err != nil {
		t.Errorf("no directory: %v", err)
	}
}

// By the calls, and with real processes: one runs the version of before.
func TestSweepAfterServe(t *testing.T) {
	f := newFleet(t, 0)
	h := newNode(t, t.TempDir(), "127.0.0.2")
	bin := filepath.Join(h.setup.BaseDir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	raw, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	running, idle := filepath.Join(bin, "daisy-mcast-running"), filepath.Join(bin, "daisy-mcast-idle")
	for _, path := range []string{running, idle} {
		if err := os.WriteFile(path, raw, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(running, "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Skipf("starting a copy of %s: %v", sleep, err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	h.list(f.set, f.upstream)
	if _, err := os.Stat(idle); err != nil {
		t.Error("it was removed before the new registry ran")
	}
	h.must(message.CallServe, message.Serve{}, nil)
	if _, err := os.Stat(running); err != nil {
		t.Error("a program that runs was removed")
	}
	_, seen := executables("/proc")
	if _, err := os.Stat(idle); err == nil && seen == nil {
		t.Error("an old program is still there")
	}
	if seen != nil && !strings.Contains(seen.Error(), "permission") {
		t.Error(seen)
	}
}
