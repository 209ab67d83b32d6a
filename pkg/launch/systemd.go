package launch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Systemd says where systemd is found. The zero value is right on every machine
// that has it.
type Systemd struct {
	UnitDir   string // of the units that are written; /etc/systemd/system
	RunDir    string // exists where systemd is process 1; /run/systemd/system
	Systemctl string // program; "systemctl"
}

func (s Systemd) withDefaults() Systemd {
	if s.UnitDir == "" {
		s.UnitDir = "/etc/systemd/system"
	}
	if s.RunDir == "" {
		s.RunDir = "/run/systemd/system"
	}
	if s.Systemctl == "" {
		s.Systemctl = "systemctl"
	}
	return s
}

// runs reports whether systemd runs this machine (sd_booted(3)).
func (s Systemd) runs() bool {
	info, err := os.Lstat(s.RunDir)
	return err == nil && info.IsDir()
}

// systemctlTimeout bounds one call. Stopping a unit takes TimeoutStopSec at most.
const systemctlTimeout = 60 * time.Second

// ctl runs systemctl and returns what it printed. Names cannot begin with "-"
// (namePattern).
func (s Systemd) ctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, systemctlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Systemctl, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // not that it was killed for it
		}
		text := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, text[:min(len(text), logTail)])
	}
	return out.String(), nil
}

// show returns properties of a unit. A unit that does not exist has them too.
func (s Systemd) show(ctx context.Context, unit string, properties ...string) (map[string]string, error) {
	out, err := s.ctl(ctx, "show", "--no-pager", "--property="+strings.Join(properties, ","), unit)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[key] = value
		}
	}
	return values, nil
}

// isOffAtBoot reports whether systemd has Docker's daemon and does not start it at
// boot. Its socket would start it when somebody asks for it, which is too late for
// its containers. Where systemd does not know the daemon somebody else starts it.
func (k *containerKeeper) isOffAtBoot(ctx context.Context) bool {
	if k.boot == nil {
		off := false
		if k.spec.Systemd.runs() {
			v, err := k.spec.Systemd.show(ctx, "docker.service", "UnitFileState")
			off = err == nil && (v["UnitFileState"] == "disabled" || v["UnitFileState"] == "masked")
		}
		k.boot = &off
	}
	return *k.boot
}

// enable makes systemd read its units again, start this one at every boot, and start
// it now in the place of what runs under its name. That is one job of systemd's, which
// it ends also when nobody waits for it any more.
func (s Systemd) enable(ctx context.Context, unit string) error {
	for _, args := range [][]string{{"daemon-reload"}, {"enable", unit}, {"restart", unit}} {
		if _, err := s.ctl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
