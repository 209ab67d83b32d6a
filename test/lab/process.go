package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A ProcessInfo is a process of a host, as the host sees it.
type ProcessInfo struct {
	PID  int // in the host
	Name string
	Args []string
	Env  []string
	// PIDs is in how many PID namespaces below the host's first process it has
	// an id: 1 in the host itself, more in a container with its own.
	PIDs   int
	Cgroup string // its cgroup in the version 2, else the first hierarchy
}

// Processes lists what runs in the host, its first process left out.
func (h *Host) Processes() []ProcessInfo {
	var all []ProcessInfo
	h.Within(func() error {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || pid == 1 {
				continue
			}
			if p, ok := readProcess(pid); ok {
				all = append(all, p)
			}
		}
		return nil
	})
	return all
}

// readProcess reads a process from the /proc of the calling thread's host.
func readProcess(pid int) (ProcessInfo, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return ProcessInfo{}, false
	}
	p := ProcessInfo{PID: pid}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			p.Name = value
		case "State":
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return ProcessInfo{}, false
			}
		case "NSpid":
			p.PIDs = len(strings.Fields(value))
		}
	}
	p.Args = readStrings(filepath.Join(dir, "cmdline"))
	p.Env = readStrings(filepath.Join(dir, "environ"))
	cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	lines := strings.Split(strings.TrimSpace(string(cgroup)), "\n")
	p.Cgroup = lines[len(lines)-1]
	return p, true
}

// readStrings reads a file of strings that end in a zero byte.
func readStrings(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// FindProcesses returns the processes whose command line contains all words.
func (h *Host) FindProcesses(words ...string) []ProcessInfo {
	var found []ProcessInfo
	for _, p := range h.Processes() {
		line := strings.Join(p.Args, " ")
		ok := true
		for _, w := range words {
			ok = ok && strings.Contains(line, w)
		}
		if ok {
			found = append(found, p)
		}
	}
	return found
}

// AwaitProcess waits until a process whose command line contains all words
// runs in the host.
func (h *Host) AwaitProcess(ctx context.Context, words ...string) (ProcessInfo, error) {
	for {
		if found := h.FindProcesses(words...); len(found) > 0 {
			return found[0], nil
		}
		select {
		case <-ctx.Done():
			return ProcessInfo{}, fmt.Errorf("waiting for %q on %s: %w", words, h.Name(), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// KillPID sends a signal to a process by its id in the host.
func (h *Host) KillPID(pid int, sig unix.Signal) error {
	outside, err := h.outsidePID(pid)
	if err != nil {
		return err
	}
	if err := unix.Kill(outside, sig); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// outsidePID finds the id that this process knows a host's process by: among
// those that are in the host's PID namespace or below it.
func (h *Host) outsidePID(pid int) (int, error) {
	depth := len(pidsOf("self"))
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	first := h.init.Process.Pid
	for _, e := range entries {
		outside, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		ids := pidsOf(e.Name())
		if len(ids) > depth && ids[depth] == pid && sameHost(outside, first) {
			return outside, nil
		}
	}
	return 0, fmt.Errorf("process %d on %s: %w", pid, h.Name(), fs.ErrNotExist)
}

// pidsOf reads a process's ids in all PID namespaces that it is in.
func pidsOf(entry string) []int {
	status, err := os.ReadFile(filepath.Join("/proc", entry, "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			var ids []int
			for _, f := range strings.Fields(rest) {
				n, _ := strconv.Atoi(f)
				ids = append(ids, n)
			}
			return ids
		}
	}
	return nil
}

// sameHost reports whether a process is in the cgroup of a host's first
// process, or below it. Containers have namespaces of their own, but this they
// cannot leave.
func sameHost(pid, first int) bool {
	want, got := unifiedCgroup(first), unifiedCgroup(pid)
	return want != "" && strings.HasPrefix(got+"/", want+"/")
}

// unifiedCgroup is a process's cgroup in the version 2 hierarchy - or, where
// there is none, in the last one listed - without the host's leaf.
func unifiedCgroup(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	last := lines[len(lines)-1]
	return strings.TrimSuffix(last[strings.LastIndexByte(last, ':')+1:], "/"+leafName)
}
