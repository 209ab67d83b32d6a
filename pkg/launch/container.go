package launch

import (
	"context"
	"errors"
	"fmt"
	"os"

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
	ref     engineRef // which one it is
	arch    string    // a GOARCH name
	boot    *bool     // whether the daemon is off at boot; nil until it was looked up
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
	around, err := k.spec.surroundings()
	if err != nil {
		return "", err
	}
	parts := append([]string{string(Container), string(k.ref.Kind), k.version}, around...)
	for _, m := range k.mounts() {
		parts = append(parts, m.Source, m.Target)
	}
	return fingerprint(append(parts, k.args()...)...), nil
}

// certTarget is where the container finds the certificate.
const certTarget = engine.CertsPath + "/" + certFile

// mounts are what the container sees of this machine: of CertDir only the
// certificate, not the authority's key.
func (k *containerKeeper) mounts() []engine.Mount {
	mounts := []engine.Mount{{Source: k.spec.StoreDir, Target: engine.StorePath, Writable: k.spec.Fill}}
	if len(k.spec.TLSListen) > 0 {
		mounts = append(mounts, engine.Mount{Source: k.spec.certPath(), Target: certTarget})
	}
	return mounts
}

func (k *containerKeeper) args() []string {
	return k.spec.args(engine.StorePath, certTarget)
}

// prepare loads the image where it is not there, and makes the container beside
// the one that serves.
func (k *containerKeeper) prepare(ctx context.Context) (instance, error) {
	print, err := k.fingerprint()
	if err != nil {
		return nil, err
	}
	if err := k.spec.noteEngine(k.ref); err != nil {
		return nil, err
	}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	if err := k.tidy(ctx); err != nil {
		return nil, err
	}
	id, err := k.engine.Create(ctx, engine.Container{
		Name:   k.spec.Name + nextSuffix,
		Image:  k.image(),
		Args:   k.args(),
		Labels: map[string]string{labelName: k.spec.Name, labelVersion: k.version, labelFingerprint: print},
		Mounts: k.mounts(),
		// Podman would not restart it after a reboot: settle writes a unit.
		Restart: true,
	})
	if err != nil {
		return nil, err
	}
	return &containerInstance{keeper: k, id: id, name: k.spec.Name + nextSuffix}, nil
}

// tidy frees the name for a new container from what an interrupted start has
// left there. If that is what serves, it takes the settled name.
func (k *containerKeeper) tidy(ctx context.Context) error {
	next, err := k.engine.Inspect(ctx, k.spec.Name+nextSuffix)
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	settled, err := k.engine.Inspect(ctx, k.spec.Name)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	if !next.Running || err == nil && settled.Running {
		return k.engine.Remove(ctx, next.ID)
	}
	if err == nil {
		if err := k.engine.Remove(ctx, settled.ID); err != nil {
			return err
		}
	}
	return k.engine.Rename(ctx, next.ID, k.spec.Name)
}

func (k *containerKeeper) load(ctx context.Context) error {
	has, err := k.engine.HasImage(ctx, k.image())
	if err != nil || has {
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
	_, err = k.engine.Load(ctx, engine.ProgramImage(f, stat.Size(), k.arch, k.image()))
	return err
}

// clear takes away what is left in an engine that has no container of ours any
// more.
func (k *containerKeeper) clear(ctx context.Context) error {
	if err := k.removeImages(ctx, ""); err != nil {
		return err
	}
	if _, u, err := k.spec.readUnit(); err == nil && u.isPodman() && k.ref.Kind == engine.Podman {
		if err := k.spec.removeUnit(ctx); err != nil {
			return err
		}
	}
	return k.spec.forgetEngine(k.ref)
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
		containerID: state.ID, engine: string(i.keeper.ref.Kind), restarting: state.Restarting,
	}
	switch {
	case i.keeper.ref.Kind == engine.Docker:
		s.reboot, s.note = state.Restart, "comes back with the Docker daemon"
		if i.keeper.isOffAtBoot(ctx) {
			s.reboot, s.note = false, "the Docker daemon is not started at boot, nor is what runs in it: systemctl enable docker"
		}
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
