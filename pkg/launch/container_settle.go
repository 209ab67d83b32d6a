package launch

import (
	"context"
	"os/exec"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

func (i *containerInstance) start(ctx context.Context) error {
	return i.keeper.engine.Start(ctx, i.id)
}

// stop ends the container. After a reboot Podman's is a service's, which would
// start it again.
func (i *containerInstance) stop(ctx context.Context) error {
	k := i.keeper
	_, u, err := k.spec.readUnit()
	if err == nil && u.container == i.name && k.ref.Kind == engine.Podman && k.spec.Systemd.runs() {
		if _, err := k.spec.Systemd.ctl(ctx, "stop", k.spec.unitName()); err != nil {
			return err
		}
	}
	return k.engine.Stop(ctx, i.id)
}

// settle gives the container its name, which its predecessor has given up, and
// with Podman the unit that starts it after a reboot (R15).
func (i *containerInstance) settle(ctx context.Context) error {
	k := i.keeper
	if i.name != k.spec.Name {
		if err := k.engine.Rename(ctx, i.id, k.spec.Name); err != nil {
			return err
		}
		i.name = k.spec.Name
	}
	if err := k.removeImages(ctx, k.image()); err != nil {
		k.spec.Log.Warn("images of older versions stay", "err", err)
	}
	if k.ref.Kind != engine.Podman || !k.spec.Systemd.runs() {
		return nil
	}
	if podman, err := exec.LookPath("podman"); err == nil {
		return k.writeUnit(ctx, podman)
	}
	return nil // its socket is there but not its program: look says so
}

// writeUnit makes systemd start the container at every boot.
func (k *containerKeeper) writeUnit(ctx context.Context, podman string) error {
	u := unit{
		name: k.spec.Name, version: k.version, container: k.spec.Name,
		execStart: []string{podman, "start", "--attach", k.spec.Name},
		execStop:  []string{podman, "stop", "--time", "10", k.spec.Name},
	}
	for _, m := range k.mounts() {
		u.requires = append(u.requires, m.Source)
	}
	if have, _, err := k.spec.readUnit(); err != nil || have != u.text() {
		if err := atomicfile.WriteNew(k.spec.unitPath(), []byte(u.text()), 0o644); err != nil {
			return err
		}
		if _, err := k.spec.Systemd.ctl(ctx, "daemon-reload"); err != nil {
			return err
		}
	}
	_, err := k.spec.Systemd.ctl(ctx, "enable", k.spec.unitName())
	return err
}

func (i *containerInstance) remove(ctx context.Context) error {
	return i.keeper.engine.Remove(ctx, i.id)
}
