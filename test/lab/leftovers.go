package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Traces are what a lab can be recognised by from outside, also after its end.
type Traces struct {
	mark    string
	cgroups []string // directories
	ports   []string // interfaces on its switches
}

// Traces notes what the lab can be recognised by.
func (l *Lab) Traces() Traces {
	tr := Traces{mark: l.mark, cgroups: slices.Clone(l.cgroups)}
	for _, h := range l.hosts {
		tr.ports = append(tr.ports, portName(h.Name()))
	}
	return tr
}

// Mark is the name that the lab's traces carry.
func (tr Traces) Mark() string { return tr.mark }

// TracesOf recognises a lab of another process by its mark: cgroups, and
// processes in them.
func TracesOf(mark string) Traces {
	tr := Traces{mark: mark}
	all, _ := hierarchies()
	for _, h := range all {
		tr.cgroups = append(tr.cgroups, filepath.Join(h.Own, mark))
	}
	return tr
}

// Leftovers looks for whatever of a lab is still on this machine: processes,
// cgroups, links, mounts, temporary files. Each line names one. Namespaces have
// no name that lasts; Close looks for who is in them.
func (tr Traces) Leftovers() []string {
	var left []string
	for _, dir := range tr.cgroups {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, "cgroup "+dir)
		}
	}
	left = append(left, processesWhere(func(dir string) bool {
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		return strings.Contains(string(cgroup), "/"+tr.mark+"/")
	})...)
	for _, port := range tr.ports {
		if _, err := os.Stat("/sys/class/net/" + port); err == nil {
			left = append(left, "link "+port)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), tr.mark) {
		left = append(left, "a mount of "+tr.mark)
	}
	files, _ := filepath.Glob(filepath.Join(os.TempDir(), tr.mark+"*"))
	return append(left, files...)
}

// inhabitants lists the processes that are in a namespace of the lab.
func (l *Lab) inhabitants() []string {
	var ids []string
	for _, s := range l.switches {
		ids = append(ids, s.id)
	}
	for _, h := range l.hosts {
		if h.ns != nil {
			ids = append(ids, h.ns.ids()...)
		}
	}
	return processesWhere(func(dir string) bool {
		for _, ns := range hostNamespaces {
			id, err := os.Readlink(filepath.Join(dir, "ns", ns.name))
			if err == nil && slices.Contains(ids, id) {
				return true
			}
		}
		return false
	})
}

// processesWhere lists this machine's processes for whose directory in /proc
// match holds.
func processesWhere(match func(dir string) bool) []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		if match(dir) {
			args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			found = append(found, fmt.Sprintf("process %s (%s)", e.Name(),
				strings.ReplaceAll(strings.TrimSuffix(string(args), "\x00"), "\x00", " ")))
		}
	}
	return found
}
