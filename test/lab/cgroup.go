package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A hierarchy is one mounted tree of cgroups: one per controller in version 1,
// a single one in version 2. A machine may have both.
type hierarchy struct {
	Mount   string // where it is mounted
	Own     string // directory of this process's cgroup, below Mount
	Options string // mount option that selects it: "devices", "name=systemd"; "" in version 2
}

func (h hierarchy) isUnified() bool { return h.Options == "" }

// hierarchies lists the mounted hierarchies and where this process is in each.
func hierarchies() ([]hierarchy, error) {
	mine, err := ownCgroups()
	if err != nil {
		return nil, err
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	seen := map[string]bool{}
	var all []hierarchy
	for line := range strings.Lines(string(info)) {
		h, ok := parseCgroupMount(line, mine)
		if ok && !seen[h.Options] {
			seen[h.Options] = true
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted")
	}
	return all, nil
}

// ownCgroups reads /proc/self/cgroup: controllers ("" is version 2) to path.
func ownCgroups() (map[string]string, error) {
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("reading own cgroups: %w", err)
	}
	defer f.Close()
	mine := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if p := strings.SplitN(s.Text(), ":", 3); len(p) == 3 {
			mine[p[1]] = p[2]
		}
	}
	return mine, nil
}

// parseCgroupMount reads a line of mountinfo (proc_pid_mountinfo(5)).
func parseCgroupMount(line string, mine map[string]string) (hierarchy, bool) {
	front, back, ok := strings.Cut(line, " - ")
	f, b := strings.Fields(front), strings.Fields(back)
	if !ok || len(f) < 5 || len(b) < 3 {
		return hierarchy{}, false
	}
	root, mount := f[3], f[4]
	switch b[0] {
	case "cgroup2":
		return hierarchy{Mount: mount, Own: within(mount, root, mine[""])}, true
	case "cgroup":
		options := strings.Split(b[2], ",")
		for names, path := range mine {
			if names != "" && contains(options, strings.Split(names, ",")) {
				return hierarchy{Mount: mount, Own: within(mount, root, path), Options: names}, true
			}
		}
	}
	return hierarchy{}, false
}

func contains(set, want []string) bool {
	for _, w := range want {
		if !slices.Contains(set, w) {
			return false
		}
	}
	return true
}

// within gives the directory below mount of a cgroup, when mount shows root.
func within(mount, root, path string) string {
	if root != "/" {
		path = strings.TrimPrefix(path, root)
	}
	return filepath.Join(mount, path)
}

// makeCgroup makes a cgroup below this process's own in every hierarchy, so
// that no limit that this process lives under is escaped. It returns its
// directories, in the order of all.
func makeCgroup(all []hierarchy, mark, name string) ([]string, error) {
	var dirs []string
	for _, h := range all {
		parent := filepath.Join(h.Own, mark)
		dir := filepath.Join(parent, name)
		for _, d := range []string{parent, dir} {
			if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("making a cgroup: %w", err)
			}
			if strings.Contains(h.Options, "cpuset") {
				if err := inheritCpuset(d); err != nil {
					return nil, err
				}
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// inheritCpuset copies the parent's processors and memory nodes: an empty
// cpuset of version 1 takes no process.
func inheritCpuset(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("filling a cpuset: %w", err)
		}
	}
	return nil
}

// removeCgroup removes a cgroup and those below it. Processes that are about
// to end keep one busy for a moment; wait bounds how long that is waited for.
func removeCgroup(dir string, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := removeCgroupOnce(dir)
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func removeCgroupOnce(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroupOnce(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing cgroup %s: %w", dir, err)
	}
	return nil
}
