package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// maxRecord bounds a pid file in bytes.
const maxRecord = 64 << 10

// A record is the pid file of a process. Boot and Start tell a process from a
// later one with the same pid.
type record struct {
	PID         int      `json:"pid"`
	Boot        string   `json:"boot"`  // /proc/sys/kernel/random/boot_id
	Start       uint64   `json:"start"` // clock ticks from boot, proc_pid_stat(5)
	Program     string   `json:"program"`
	Args        []string `json:"args"`
	Version     string   `json:"version"`
	Fingerprint string   `json:"fingerprint"`
}

func readRecord(path string) (record, error) {
	info, err := os.Stat(path)
	if err != nil {
		return record{}, fmt.Errorf("reading the pid file: %w", err)
	}
	if info.Size() > maxRecord {
		return record{}, fmt.Errorf("%w: %s is too large for a pid file", ErrForeign, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return record{}, fmt.Errorf("reading the pid file: %w", err)
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil || r.PID <= 1 {
		return record{}, fmt.Errorf("%w: %s is not our pid file", ErrForeign, path)
	}
	return r, nil
}

func (r record) write(path string) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the pid file: %w", err)
	}
	return atomicfile.WriteNew(path, raw, 0o600)
}

// begin makes r the record of the process that pid is now. A process that is
// already gone leaves Start 0, which no later process has.
func (r *record) begin(pid int) {
	r.PID, r.Boot = pid, bootID()
	r.Start, _ = startTime(pid)
}

// running reports whether the very process of r lives.
func (r record) running() bool {
	start, ok := startTime(r.PID)
	return ok && start == r.Start && bootID() == r.Boot
}

func (r record) same(o record) bool {
	return r.PID == o.PID && r.Start == o.Start && r.Boot == o.Boot
}

// kill ends the process with SIGTERM, and SIGKILL after grace. It returns when
// the process is gone. A process that merely has its pid is not signalled.
func (r record) kill(grace time.Duration) error {
	if r.PID <= 0 { // never started
		return nil
	}
	// A handle first (a pidfd where the kernel has it), the check after it: then
	// the handle cannot mean another process.
	p, err := os.FindProcess(r.PID)
	if err != nil {
		return fmt.Errorf("finding process %d: %w", r.PID, err)
	}
	defer func() { _ = p.Release() }()
	for _, step := range []struct {
		signal os.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, grace}} {
		if !r.running() {
			return nil
		}
		if err := p.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending process %d: %w", r.PID, err)
		}
		if r.gone(step.wait) {
			return nil
		}
	}
	return fmt.Errorf("ending process %d: it is still there %v after SIGKILL", r.PID, grace)
}

// gone waits for the end of the process. It polls: it may be no child of ours.
func (r record) gone(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; r.running(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}

// startTime returns when the process began, in clock ticks from boot; false when
// there is none, or only a zombie.
func startTime(pid int) (uint64, bool) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	return parseStat(string(raw))
}

// parseStat reads proc_pid_stat(5). The second field is the command in
// parentheses, which may hold anything; state is the third field, the start time
// the twenty-second.
func parseStat(stat string) (uint64, bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	f := strings.Fields(stat[end+1:])
	const state, start = 0, 22 - 3
	if len(f) <= start || f[state] == "Z" || f[state] == "X" {
		return 0, false
	}
	ticks, err := strconv.ParseUint(f[start], 10, 64)
	return ticks, err == nil
}

func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
