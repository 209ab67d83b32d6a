package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// markPrefix begins the name of everything of a lab that outlives a process.
const markPrefix = "daisy-lab-"

// ownMark names this process among all that ever ran since boot: its id and
// its start time.
func ownMark() (string, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%d-%d", markPrefix, os.Getpid(), start), nil
}

// isStale reports whether name is the mark of a process that has ended.
// Anything after a second dash is a suffix of the marked thing's own.
func isStale(name string) bool {
	rest, ok := strings.CutPrefix(name, markPrefix)
	if !ok {
		return false
	}
	parts := strings.SplitN(rest, "-", 3)
	if len(parts) < 2 {
		return false
	}
	pid, err1 := strconv.Atoi(parts[0])
	want, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	got, err := startTime(pid)
	return err != nil || got != want
}

// startTime is when a process started, in clock ticks since boot.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	// The second field is the name in parentheses and may hold anything.
	after := string(data[strings.LastIndexByte(string(data), ')')+1:])
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return 0, fmt.Errorf("reading the start time of process %d: short line", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// TempDir makes a directory that is this process's, and that Sweep removes when
// the process has ended without doing so.
func TempDir() (string, error) {
	mark, err := ownMark()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp("", mark+"-")
}
