package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Run creates and starts c.
func (d *daemon) Run(ctx context.Context, c Container) (string, error) {
	id, err := d.Create(ctx, c)
	if err != nil {
		return "", err
	}
	if err := d.Start(ctx, id); err != nil {
		return "", errors.Join(err, d.Remove(context.WithoutCancel(ctx), id))
	}
	return id, nil
}

// Create makes c.
func (d *daemon) Create(ctx context.Context, c Container) (string, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	config := &container.Config{Image: c.Image, Cmd: c.Args, User: c.User, Labels: c.Labels}
	answer, err := d.api.ContainerCreate(ctx, config, d.hostConfig(c), nil, nil, c.Name)
	if err == nil {
		return answer.ID, nil
	}
	err = d.fail(ctx, "creating container "+c.Name, err)
	var refused *RefusedError
	if d.kind == Podman && !errors.Is(err, ErrConflict) && errors.As(err, &refused) {
		// Podman answers a taken name with 500 (seen with 4.3).
		if _, taken := d.Inspect(ctx, c.Name); taken == nil {
			err = fmt.Errorf("%w: %w", ErrConflict, err)
		}
	}
	return "", err
}

func (d *daemon) hostConfig(c Container) *container.HostConfig {
	h := &container.HostConfig{
		NetworkMode:    "host",
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges", "label=disable"},
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
	}
	if c.Restart {
		h.RestartPolicy.Name = container.RestartPolicyAlways
	}
	for _, m := range c.Mounts {
		h.Mounts = append(h.Mounts, mount.Mount{
			Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: !m.Writable,
		})
	}
	switch d.kind {
	case Docker:
		// Docker's default log has no bound; the others bound theirs.
		h.LogConfig = container.LogConfig{
			Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"},
		}
	case Podman:
		// Podman's own default (1048576) cannot be set where root lacks
		// CAP_SYS_RESOURCE. RLIMIT_NPROC counts every thread of the user on the
		// machine, so it must not be small.
		h.Ulimits = []*container.Ulimit{
			{Name: "nofile", Soft: 16384, Hard: 16384},
			{Name: "nproc", Soft: 32768, Hard: 32768},
		}
	}
	return h
}

// Start starts a container.
func (d *daemon) Start(ctx context.Context, name string) error {
	ctx, cancel := d.within(ctx, 3*d.timeout) // the engine prepares a root and mounts first
	defer cancel()
	if err := d.api.ContainerStart(ctx, name, container.StartOptions{}); err != nil {
		return d.fail(ctx, "starting container "+name, err)
	}
	return nil
}

// Inspect asks for a container's state.
func (d *daemon) Inspect(ctx context.Context, name string) (State, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	got, err := d.api.ContainerInspect(ctx, name)
	if err != nil {
		return State{}, d.fail(ctx, "inspecting container "+name, err)
	}
	if got.ContainerJSONBase == nil || got.State == nil || got.Config == nil {
		return State{}, d.fail(ctx, "inspecting container "+name, errors.New("an answer without a state"))
	}
	// The engine also takes the beginning of an ID for a name.
	if strings.TrimPrefix(got.Name, "/") != name && got.ID != name {
		return State{}, fmt.Errorf("inspecting container %s: %w", name, ErrNotFound)
	}
	s := State{
		ID:         got.ID,
		Name:       strings.TrimPrefix(got.Name, "/"),
		Image:      got.Config.Image,
		ImageID:    got.Image,
		Labels:     got.Config.Labels,
		Args:       got.Config.Cmd,
		Running:    got.State.Running && !got.State.Restarting,
		Restarting: got.State.Restarting,
		ExitCode:   got.State.ExitCode,
		Error:      got.State.Error,
		Restarts:   got.RestartCount,
	}
	if s.Running {
		s.PID = got.State.Pid
	}
	if got.HostConfig != nil {
		s.Restart = got.HostConfig.RestartPolicy.Name == container.RestartPolicyAlways
	}
	return s, nil
}

// Rename renames a container.
func (d *daemon) Rename(ctx context.Context, name, to string) error {
	ctx, cancel := d.short(ctx)
	defer cancel()
	if err := d.api.ContainerRename(ctx, name, to); err != nil {
		return d.fail(ctx, "renaming container "+name+" to "+to, err)
	}
	return nil
}

// Stop stops a container.
func (d *daemon) Stop(ctx context.Context, name string) error {
	ctx, cancel := d.within(ctx, stopGrace+d.timeout)
	defer cancel()
	grace := int(stopGrace.Seconds())
	err := d.api.ContainerStop(ctx, name, container.StopOptions{Timeout: &grace})
	return d.unlessGone(ctx, "stopping container "+name, err)
}

// Remove removes a container.
func (d *daemon) Remove(ctx context.Context, name string) error {
	ctx, cancel := d.within(ctx, 3*d.timeout)
	defer cancel()
	err := d.api.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	return d.unlessGone(ctx, "removing container "+name, err)
}

func (d *daemon) unlessGone(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if err = d.fail(ctx, doing, err); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
