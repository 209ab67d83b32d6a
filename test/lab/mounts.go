package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A host's directories that are its own (R17). Copies on write begin as what
// the machine has there, the others empty. Everything else of the machine's
// root is there to be read only.
var (
	copiedDirs = []string{"/etc", "/usr/local"}
	emptyDirs  = []string{"/var", "/run", "/root", "/home", "/tmp", "/opt", "/srv"}
)

// privateDir is where the memory file system under a host's directories lies.
const privateDir = "/mnt"

// mountHost makes the file systems of a host, in a mount namespace of its own.
func mountHost(cgroups []hostCgroup) error {
	steps := []func() error{
		func() error { return mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		protectMachine,
		func() error { return mount("lab", privateDir, "tmpfs", 0, "mode=0755") },
		copyDirs,
		clearDirs,
		func() error { return mount("proc", "/proc", "proc", 0, "") },
		func() error { return mount("sysfs", "/sys", "sysfs", 0, "") },
		func() error { return mountCgroups(cgroups) },
		mountDev,
		fillDirs,
		// Volumes of an engine, and podman, want a tree that propagates.
		func() error { return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// protectMachine makes all that the machine has mounted read only for this host. What
// is mounted after it is not.
func protectMachine() error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("making the machine's files read only (Linux 5.12 or later): %w", err)
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s (%s): %w", target, kind, err)
	}
	return nil
}

func copyDirs() error {
	for _, dir := range copiedDirs {
		base := filepath.Join(privateDir, "copy", strings.ReplaceAll(dir, "/", "_"))
		upper, work := filepath.Join(base, "upper"), filepath.Join(base, "work")
		for _, d := range []string{upper, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		err := mount("lab", dir, "overlay", 0, "lowerdir="+dir+",upperdir="+upper+",workdir="+work)
		if err != nil {
			return err
		}
	}
	return nil
}

func clearDirs() error {
	for _, dir := range emptyDirs {
		own := filepath.Join(privateDir, "own", dir)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := mount(own, dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mountCgroups(all []hostCgroup) error {
	const top = "/sys/fs/cgroup"
	if len(all) == 1 && all[0].isUnified() {
		return mount("cgroup2", top, "cgroup2", 0, "")
	}
	if err := mount("lab", top, "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	for _, c := range all {
		if err := os.MkdirAll(c.Mount, 0o755); err != nil {
			return err
		}
		kind := "cgroup"
		if c.isUnified() {
			kind = "cgroup2"
		}
		if err := mount(kind, c.Mount, kind, 0, c.Options); err != nil {
			return err
		}
	}
	return nil
}

// mountDev gives the host its own pseudo-terminals and shared memory. Devices
// themselves are the machine's.
func mountDev() error {
	if err := mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return err
	}
	return mount("lab", "/dev/shm", "tmpfs", 0, "mode=1777")
}

// fillDirs makes what programs expect in directories that began empty, and
// takes away what the machine keeps in /etc for its own engines and services.
func fillDirs() error {
	for _, dir := range []string{
		"/run/lock", "/run/sshd", "/var/lib", "/var/log", "/var/cache", "/var/spool",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	if err := os.Chmod("/root", 0o700); err != nil {
		return err
	}
	if err := os.Symlink("/run", "/var/run"); err != nil {
		return err
	}
	for _, path := range []string{"/etc/docker", "/etc/kolla", "/etc/daisy", "/etc/systemd/system",
		"/usr/local/bin/daisy-mcast"} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return os.Mkdir("/etc/systemd/system", 0o755)
}
