package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxCommand bounds a command line in bytes.
const maxCommand = 64 << 10

// findOrphan finds a registry without a pid file: whoever started it was killed
// before it could write one. Only a registry of ours has our log as its output.
func findOrphan(log string) (record, bool) {
	want, err := os.Stat(log)
	if err != nil {
		return record{}, false
	}
	pids, err := processes()
	if err != nil {
		return record{}, false
	}
	for _, pid := range pids {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		out, err := os.Stat(filepath.Join(proc, "fd", "1"))
		if err != nil || !os.SameFile(out, want) {
			continue
		}
		if r, ok := recordOf(proc); ok {
			r.begin(pid)
			return r, r.running()
		}
	}
	return record{}, false
}

// recordOf reads how a registry was started from its directory in /proc.
func recordOf(proc string) (record, bool) {
	program, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil {
		return record{}, false
	}
	raw, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || len(raw) > maxCommand {
		return record{}, false
	}
	argv := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	if len(argv) < 3 || !slices.Equal(argv[1:3], []string{"registry", "serve"}) {
		return record{}, false
	}
	return record{Program: strings.TrimSuffix(program, " (deleted)"), Args: argv[1:]}, true
}
