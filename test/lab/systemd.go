package lab

import (
	"context"
	_ "embed" // of the stand-in
	"errors"
	"io/fs"
	"os"
)

//go:embed scripts/systemctl
var systemctlScript []byte

const systemctlPath = "/usr/local/bin/systemctl"

// PretendSystemd makes programs on the host believe that systemd runs it, and
// puts a stand-in for systemctl into its place that starts what a unit says.
// What is enabled is started again by Reboot.
func (h *Host) PretendSystemd() error {
	if err := h.WriteFile(systemctlPath, systemctlScript, 0o755); err != nil {
		return err
	}
	return h.Within(func() error { return os.MkdirAll("/run/systemd/system", 0o755) })
}

// startUnits starts what is enabled, on a host that pretends.
func (h *Host) startUnits(ctx context.Context) error {
	err := h.Within(func() error { _, err := os.Lstat(systemctlPath); return err })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := h.PretendSystemd(); err != nil {
		return err
	}
	return h.Shell(ctx, systemctlPath+" boot")
}
