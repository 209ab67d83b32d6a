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

// findOrphans finds registries of ours by their output, which is our log: also those
// without a pid file, whose starter was killed before it could write one.
func findOrphans(log string) (found []record) {
	want, err := os.Stat(log)
	if err != nil {
		return nil
	}
	pids, err := processes()
	if err != nil {
		return nil
	}
	for _, pid := range pids {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		out, err := os.Stat(filepath.Join(proc, "fd", "1"))
		if err != nil || !os.SameFile(out, want) {
			continue
		}
		if r, ok := recordOf(proc); ok {
			if r.begin(pid); r.running() {
				found = append(found, r)
			}
		}
	}
	return found
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
