package lab

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep removes what labs of processes that are gone have left behind. It goes
// by their marks alone and touches nothing else.
func Sweep() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		stale, err := staleCgroups(h.Mount)
		errs = append(errs, err)
		for _, dir := range stale {
			endAll(dir)
			errs = append(errs, removeCgroup(dir, cgroupPatience))
		}
	}
	entries, err := os.ReadDir(os.TempDir())
	errs = append(errs, err)
	for _, e := range entries {
		if isStale(e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(os.TempDir(), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// staleCgroups lists the marked cgroups below top whose owner is gone.
func staleCgroups(top string) ([]string, error) {
	var stale []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // others remove theirs while we look
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case isStale(d.Name()):
			stale = append(stale, path)
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), markPrefix):
			return fs.SkipDir
		}
		return nil
	})
	return stale, err
}

// endAll kills the processes of a stale cgroup and of those below it, by id.
// The broken lifeline has done so long before, as a rule.
func endAll(dir string) {
	for range 100 {
		pids := processesOf(dir)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// processesOf lists the processes of a cgroup and of those below it.
func processesOf(dir string) []int {
	var pids []int
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		data, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for _, line := range strings.Fields(string(data)) {
			if pid := int(number(line)); pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}
