package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

const (
	imageName = "localhost/daisy-mcast-registry"
	// The labels by which a container is known to be ours. Never kolla_version:
	// Kolla's prune acts on it.
	labelName        = "daisy-mcast.name"
	labelVersion     = "daisy-mcast.version"
	labelFingerprint = "daisy-mcast.fingerprint"
	// nextSuffix names a container that has not proven itself yet.
	nextSuffix = "-next"
	// containerRestarts is how often the engine may have started a container again
	// before it counts as one that does not run.
	containerRestarts = 2
)

// A containerKeeper keeps the registry as a container of an engine.
type containerKeeper struct {
	spec    Spec
	version string
	engine  engine.Engine
	kind    engine.Kind
}

func (k *containerKeeper) image() string { return imageName + ":" + k.version }

func (k *containerKeeper) find(ctx context.Context) ([]instance, error) {
	var found []instance
	for _, name := range []string{k.spec.Name, k.spec.Name + nextSuffix} {
		state, err := k.engine.Inspect(ctx, name)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if state.Labels[labelName] != k.spec.Name {
			return nil, fmt.Errorf("%w: container %s", ErrForeign, name)
		}
		found = append(found, &containerInstance{keeper: k, id: state.ID, name: name})
	}
	return found, nil
}

func (k *containerKeeper) fingerprint() (string, error) {
	cert, err := k.spec.certVersion()
	if err != nil {
		return "", err
	}
	parts := append([]string{string(Container), string(k.kind), k.version, cert}, k.dirs()...)
	return fingerprint(append(parts, k.args()...)...), nil
}

// dirs are the directories that the container mounts.
func (k *containerKeeper) dirs() []string {
	if len(k.spec.TLSListen) == 0 {
		return []string{k.spec.StoreDir}
	}
	return []string{k.spec.StoreDir, k.spec.CertDir}
}

func (k *containerKeeper) args() []string {
	return k.spec.args(engine.StorePath, engine.CertsPath+"/"+certFile)
}

// prepare loads the image where it is not there, and makes the container beside
// the one that serves.
func (k *containerKeeper) prepare(ctx context.Context) (instance, error) {
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	print, err := k.fingerprint()
	if err != nil {
		return nil, err
	}
	c := engine.Container{
		Name:   k.spec.Name + nextSuffix,
		Image:  k.image(),
		Args:   k.args(),
		Labels: map[string]string{labelName: k.spec.Name, labelVersion: k.version, labelFingerprint: print},
		Mounts: []engine.Mount{{Source: k.spec.StoreDir, Target: engine.StorePath}},
		// Podman would not restart it after a reboot: settle writes a unit.
		Restart: true,
	}
	if len(k.spec.TLSListen) > 0 {
		c.Mounts = append(c.Mounts, engine.Mount{Source: k.spec.CertDir, Target: engine.CertsPath})
	}
	if err := k.engine.Remove(ctx, c.Name); err != nil { // what a crashed start left
		return nil, err
	}
	id, err := k.engine.Create(ctx, c)
	if err != nil {
		return nil, err
	}
	return &containerInstance{keeper: k, id: id, name: c.Name}, nil
}

func (k *containerKeeper) load(ctx context.Context) error {
	has, err := k.engine.HasImage(ctx, k.image())
	if err != nil || has {
		return err
	}
	info, err := k.engine.Info(ctx)
	if err != nil {
		return err
	}
	f, err := os.Open(k.spec.Program)
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	_, err = k.engine.Load(ctx, engine.ProgramImage(f, stat.Size(), info.Arch, k.image()))
	return err
}

// removeImages takes away the images of versions that no container uses.
func (k *containerKeeper) removeImages(ctx context.Context, keep string) error {
	names, err := k.engine.Images(ctx, imageName)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if name == keep {
			continue
		}
		err := k.engine.RemoveImage(ctx, name)
		if err != nil && !errors.Is(err, engine.ErrConflict) && !errors.Is(err, engine.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A containerInstance is one container. For one goroutine.
type containerInstance struct {
	keeper   *containerKeeper
	id, name string
}

func (i *containerInstance) look(ctx context.Context) (sight, error) {
	state, err := i.keeper.engine.Inspect(ctx, i.id)
	if err != nil {
		return sight{mode: Container}, err
	}
	s := sight{
		mode: Container, running: state.Running && !state.Restarting, pid: state.PID,
		fingerprint: state.Labels[labelFingerprint], version: state.Labels[labelVersion],
		containerID: state.ID, engine: string(i.keeper.kind),
	}
	switch {
	case i.keeper.kind == engine.Docker:
		s.reboot, s.note = state.Restart, "comes back with the Docker daemon"
	default:
		_, u, err := i.keeper.spec.readUnit()
		if s.reboot = err == nil && u.isPodman(); !s.reboot {
			s.note = "Podman does not start it after a reboot, and there is no systemd to do so"
		}
	}
	if state.Restarts > containerRestarts && !s.running {
		s.fault = fmt.Sprintf("its container ends again and again, with status %d %s", state.ExitCode, state.Error)
	}
	return s, nil
}

func (i *containerInstance) start(ctx context.Context) error {
	return i.keeper.engine.Start(ctx, i.id)
}

func (i *containerInstance) stop(ctx context.Context) error {
	return i.keeper.engine.Stop(ctx, i.id)
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
		return err
	}
	if k.kind != engine.Podman || !k.spec.Systemd.runs() {
		return nil
	}
	podman, err := exec.LookPath("podman")
	if err != nil {
		return nil // its socket is there but not its program: look says so
	}
	u := unit{
		name: k.spec.Name, version: k.version, container: k.spec.Name,
		execStart: []string{podman, "start", "--attach", k.spec.Name},
		execStop:  []string{podman, "stop", "--time", "10", k.spec.Name},
		requires:  k.dirs(),
	}
	if err := writeFile(k.spec.unitPath(), []byte(u.text()), 0o644); err != nil {
		return err
	}
	if _, err := k.spec.Systemd.ctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	_, err = k.spec.Systemd.ctl(ctx, "enable", k.spec.unitName())
	return err
}

func (i *containerInstance) remove(ctx context.Context) error {
	return i.keeper.engine.Remove(ctx, i.id)
}
