package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// initName is the argv[0] that makes this binary the first process of a host.
const initName = "daisy-lab-host"

// File descriptors that the first process of a host inherits.
const (
	lifelineFD = 3 // reading end of a pipe; end of file: the lab's owner is gone
	readyFD    = 4 // writing end of a pipe; "ok", or what went wrong
)

// An initConfig is what the first process of a host is told on its stdin.
type initConfig struct {
	Name    string
	Cgroups []hostCgroup
}

// A hostCgroup says which cgroup a host has in one hierarchy.
type hostCgroup struct {
	hierarchy
	Dir string // the host's own cgroup; the root of what the host sees
}

// hostInit is the first process of a host. It makes the place ready, reaps
// orphans, and ends, and with it every process of the host, when the lifeline
// breaks. It does not return.
func hostInit() {
	ready := os.NewFile(readyFD, "ready")
	if err := prepareHost(); err != nil {
		fmt.Fprint(ready, err)
		os.Exit(1)
	}
	fmt.Fprint(ready, "ok")
	ready.Close()
	go func() {
		io.Copy(io.Discard, os.NewFile(lifelineFD, "lifeline"))
		os.Exit(0)
	}()
	reap()
}

func prepareHost() error {
	if unix.Gettid() != os.Getpid() {
		return errors.New("not on the main thread") // see the package's init
	}
	var cfg initConfig
	if err := json.NewDecoder(os.Stdin).Decode(&cfg); err != nil {
		return fmt.Errorf("reading the host's configuration: %w", err)
	}
	if err := unix.Sethostname([]byte(cfg.Name)); err != nil {
		return fmt.Errorf("setting the host's name: %w", err)
	}
	if err := enterCgroups(cfg.Cgroups); err != nil {
		return err
	}
	return mountHost(cfg.Cgroups)
}

// enterCgroups moves this process into the host's cgroups and makes these the
// roots of what it sees. In version 2 processes are only in leaves, so there
// it goes one down.
func enterCgroups(all []hostCgroup) error {
	for _, c := range all {
		if err := joinCgroup(c.Dir); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	for _, c := range all {
		if !c.isUnified() {
			continue
		}
		leaf := filepath.Join(c.Dir, leafName)
		if err := os.Mkdir(leaf, 0o755); err != nil {
			return fmt.Errorf("making a cgroup: %w", err)
		}
		if err := joinCgroup(leaf); err != nil {
			return err
		}
	}
	return nil
}

// leafName is the cgroup of a host's processes in the version 2 hierarchy.
const leafName = "host"

func joinCgroup(dir string) error {
	// "0" is the writer itself.
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("joining cgroup %s: %w", dir, err)
	}
	return nil
}

// reap waits for the orphans that become children of a first process.
func reap() {
	child := make(chan os.Signal, 1)
	signal.Notify(child, unix.SIGCHLD)
	for range child {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
		}
	}
}
