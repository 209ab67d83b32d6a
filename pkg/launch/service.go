package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// maxUnit bounds a unit file in bytes.
const maxUnit = 64 << 10

// maxRestarts is how often systemd may start a service again before it counts as
// one that does not run.
const maxRestarts = 3

// A serviceKeeper keeps the registry as a systemd service.
type serviceKeeper struct {
	spec    Spec
	version string
	owner   *serviceInstance // whose text the unit file has; nil when there is none
}

func (s Spec) unitName() string { return s.Name + ".service" }
func (s Spec) unitPath() string { return filepath.Join(s.Systemd.UnitDir, s.unitName()) }

// readUnit returns the unit file of our name. ErrForeign when it is not ours.
func (s Spec) readUnit() (text string, u unit, err error) {
	path := s.unitPath()
	info, err := os.Lstat(path)
	if err != nil {
		return "", u, fmt.Errorf("reading the unit: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxUnit {
		return "", u, fmt.Errorf("%w: %s", ErrForeign, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", u, fmt.Errorf("reading the unit: %w", err)
	}
	u, ours := parseUnit(string(raw))
	if !ours {
		return "", u, fmt.Errorf("%w: %s", ErrForeign, path)
	}
	return string(raw), u, nil
}

func (k *serviceKeeper) find(context.Context) ([]instance, error) {
	text, u, err := k.spec.readUnit()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if u.isPodman() {
		return nil, nil // the container's, see containerInstance
	}
	k.owner = &serviceInstance{spec: k.spec, keeper: k, text: text, unit: u}
	return []instance{k.owner}, nil
}

func (k *serviceKeeper) fingerprint() (string, error) {
	u, err := k.unit()
	return u.fingerprint, err
}

func (k *serviceKeeper) unit() (unit, error) {
	around, err := k.spec.surroundings()
	if err != nil {
		return unit{}, err
	}
	u := unit{
		name:      k.spec.Name,
		execStart: append([]string{k.spec.Program}, k.spec.args(k.spec.StoreDir, k.spec.certPath())...),
		version:   k.version,
		hardened:  true,
		requires:  []string{k.spec.StoreDir, k.spec.Program},
	}
	if len(k.spec.TLSListen) > 0 {
		u.requires = append(u.requires, k.spec.CertDir)
	}
	if k.spec.Fill {
		u.writes = k.spec.StoreDir
	}
	u.fingerprint = fingerprint(append(around, u.text())...)
	return u, nil
}

func (k *serviceKeeper) prepare(context.Context) (instance, error) {
	if !k.spec.Systemd.runs() {
		return nil, fmt.Errorf("%w: no %s", ErrNoSystemd, k.spec.Systemd.RunDir)
	}
	u, err := k.unit()
	if err != nil {
		return nil, err
	}
	return &serviceInstance{spec: k.spec, keeper: k, text: u.text(), unit: u}, nil
}

// A serviceInstance is one text of the unit. There is one unit file: only its
// owner (see serviceKeeper) stops and removes the service. For one goroutine.
type serviceInstance struct {
	spec   Spec
	keeper *serviceKeeper
	text   string
	unit   unit
}

func (i *serviceInstance) look(ctx context.Context) (sight, error) {
	s := sight{mode: Service, fingerprint: i.unit.fingerprint, version: i.unit.version}
	if !i.spec.Systemd.runs() {
		s.fault = "systemd does not run this machine"
		return s, nil
	}
	// UnitFileState needs no start; NRestarts is systemd 235's, absent before.
	v, err := i.spec.Systemd.show(ctx, i.spec.unitName(), "MainPID", "ActiveState", "UnitFileState", "NRestarts")
	if err != nil {
		return s, err
	}
	s.reboot = v["UnitFileState"] == "enabled"
	s.running = v["ActiveState"] == "active"
	s.restarting = v["ActiveState"] == "activating"
	restarts, _ := strconv.Atoi(v["NRestarts"])
	switch {
	case s.running:
		s.pid, _ = strconv.Atoi(v["MainPID"])
	case v["ActiveState"] == "failed" || restarts > maxRestarts:
		s.fault = "the service ends again and again: see journalctl -u " + i.spec.unitName()
	}
	return s, nil
}

func (i *serviceInstance) start(ctx context.Context) error {
	if err := atomicfile.WriteNew(i.spec.unitPath(), []byte(i.text), 0o644); err != nil {
		return err
	}
	i.keeper.owner = i
	return i.spec.Systemd.enable(ctx, i.spec.unitName())
}

func (i *serviceInstance) stop(ctx context.Context) error {
	if !i.spec.Systemd.runs() || i.keeper.owner != i {
		return nil
	}
	_, err := i.spec.Systemd.ctl(ctx, "stop", i.spec.unitName())
	return err
}

func (i *serviceInstance) settle(context.Context) error { return nil }

func (i *serviceInstance) remove(ctx context.Context) error {
	if i.keeper.owner != i {
		return nil
	}
	now, _, err := i.spec.readUnit()
	if errors.Is(err, os.ErrNotExist) || err == nil && now != i.text {
		return nil
	}
	if err != nil {
		return err
	}
	return i.spec.removeUnit(ctx)
}

// removeUnit disables the unit and deletes its file.
func (s Spec) removeUnit(ctx context.Context) error {
	if s.Systemd.runs() {
		if _, err := s.Systemd.ctl(ctx, "disable", s.unitName()); err != nil {
			return err
		}
	}
	if err := os.Remove(s.unitPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the unit: %w", err)
	}
	if !s.Systemd.runs() {
		return nil
	}
	_, err := s.Systemd.ctl(ctx, "daemon-reload")
	return err
}
