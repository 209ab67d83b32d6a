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
	mark       string
	namespaces []string // "net:[4026532281]"
	cgroups    []string // directories
	ports      []string // interfaces on its switches
}

// Traces notes what the lab can be recognised by.
func (l *Lab) Traces() Traces {
	tr := Traces{mark: l.mark, cgroups: slices.Clone(l.cgroups)}
	for _, s := range l.switches {
		tr.namespaces = append(tr.namespaces, s.id)
	}
	for _, h := range l.hosts {
		if h.ns != nil {
			tr.namespaces = append(tr.namespaces, h.ns.ids()...)
		}
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
// namespaces, cgroups, links, mounts, temporary files. Each line names one.
func (tr Traces) Leftovers() []string {
	var left []string
	for _, dir := range tr.cgroups {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, "cgroup "+dir)
		}
	}
	left = append(left, tr.processes()...)
	left = append(left, tr.openNamespaces()...)
	for _, port := range tr.ports {
		if _, err := os.Stat("/sys/class/net/" + port); err == nil {
			left = append(left, "link "+port)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), tr.mark) {
		left = append(left, "a mount of "+tr.mark)
	}
	if files, _ := filepath.Glob(filepath.Join(os.TempDir(), tr.mark+"*")); len(files) > 0 {
		left = append(left, files...)
	}
	return left
}

// processes lists those that are in a namespace or a cgroup of the lab.
func (tr Traces) processes() []string {
	var left []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		inside := strings.Contains(string(cgroup), "/"+tr.mark+"/")
		for _, ns := range hostNamespaces {
			id, err := os.Readlink(filepath.Join(dir, "ns", ns.name))
			inside = inside || err == nil && slices.Contains(tr.namespaces, id)
		}
		if inside {
			args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			left = append(left, fmt.Sprintf("process %s (%s)", e.Name(),
				strings.ReplaceAll(strings.TrimSuffix(string(args), "\x00"), "\x00", " ")))
		}
	}
	return left
}

// openNamespaces lists namespaces of the lab that this process still holds.
func (tr Traces) openNamespaces() []string {
	var left []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if id, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && slices.Contains(tr.namespaces, id) {
			left = append(left, "open namespace "+id)
		}
	}
	return left
}
