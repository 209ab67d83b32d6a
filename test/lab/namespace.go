package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// hostNamespaces are those that a host has for itself, in the order in which
// they are entered: mounts last, because the others are found by path.
var hostNamespaces = []struct {
	name string
	flag int
}{
	{"net", unix.CLONE_NEWNET},
	{"uts", unix.CLONE_NEWUTS},
	{"ipc", unix.CLONE_NEWIPC},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"pid", unix.CLONE_NEWPID},
	{"mnt", unix.CLONE_NEWNS},
}

// namespaces are open namespaces of one process.
type namespaces struct {
	files []*os.File // in the order of hostNamespaces
}

func openNamespaces(pid int) (*namespaces, error) {
	n := &namespaces{}
	for _, ns := range hostNamespaces {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, ns.name))
		if err != nil {
			n.close()
			return nil, err
		}
		n.files = append(n.files, f)
	}
	return n, nil
}

func (n *namespaces) close() {
	for _, f := range n.files {
		f.Close()
	}
}

// ids are the names of the namespaces, "net:[4026532281]".
func (n *namespaces) ids() []string {
	var all []string
	for _, f := range n.files {
		if s, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// enter moves the calling thread into the namespaces. Processes that it starts
// are inside; its own PID namespace stays what it was.
func (n *namespaces) enter() error {
	// A thread that shares its root and working directory with others cannot
	// change its mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leaving the shared working directory: %w", err)
	}
	for i, ns := range hostNamespaces {
		if err := unix.Setns(int(n.files[i].Fd()), ns.flag); err != nil {
			return fmt.Errorf("entering the %s namespace: %w", ns.name, err)
		}
	}
	return nil
}

// joinThread moves the calling thread into cgroups of version 1. Version 2 has
// no such thing; there a process is started in its cgroup.
func joinThread(cgroups []hostCgroup) error {
	tid := strconv.Itoa(unix.Gettid())
	for _, c := range cgroups {
		if c.isUnified() {
			continue
		}
		if err := os.WriteFile(filepath.Join(c.Dir, "tasks"), []byte(tid), 0o644); err != nil {
			return fmt.Errorf("joining cgroup %s: %w", c.Dir, err)
		}
	}
	return nil
}

// onThread runs f on a thread that no other goroutine ever uses, neither during
// nor after, so that f may change the thread's namespaces. The thread ends with
// it. f must not start goroutines that rely on the change.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // without the unlock, the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}
