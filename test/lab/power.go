package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// PowerOff takes the host away as a power cut does: no connection is closed,
// nothing answers any more. It does not come back.
func (h *Host) PowerOff() error {
	for network := range h.legs {
		if err := h.lab.Switch(network).SetLink(h.Name(), false); err != nil {
			return err
		}
	}
	return h.init.Process.Kill()
}

// Unplug and Plug pull the host's cables out and put them back.
func (h *Host) Unplug() error { return h.setLinks(false) }

// Plug puts the host's cables back.
func (h *Host) Plug() error { return h.setLinks(true) }

func (h *Host) setLinks(up bool) error {
	var errs []error
	for network := range h.legs {
		errs = append(errs, h.lab.Switch(network).SetLink(h.Name(), up))
	}
	return errors.Join(errs...)
}

// Reboot kills every process of the host, empties /run and /tmp, and starts
// sshd and the engine again. Disks keep what was on them.
func (h *Host) Reboot(ctx context.Context) error {
	h.mu.Lock()
	h.sshd, h.engine = nil, nil
	h.mu.Unlock()
	if err := h.killAll(ctx); err != nil {
		return err
	}
	err := h.Within(func() error {
		for _, dir := range []string{"/run", "/tmp"} {
			if err := emptyDir(dir); err != nil {
				return err
			}
		}
		return fillDirsAgain()
	})
	if err != nil {
		return err
	}
	return h.startServices(ctx)
}

// killAll kills until nothing is left: an engine's shim may start a child
// between the look and the blow.
func (h *Host) killAll(ctx context.Context) error {
	for {
		all := h.Processes()
		if len(all) == 0 {
			return nil
		}
		for _, p := range all {
			h.KillPID(p.PID, unix.SIGKILL) // it may be gone already
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func fillDirsAgain() error {
	for _, dir := range []string{"/run/lock", "/run/sshd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// emptyDir removes what is in a directory; what is mounted in it is taken off
// first.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		unmountBelow(path)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func unmountBelow(dir string) {
	filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
		for unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		}
		return nil
	})
}
