package launch

import (
	"context"
	"errors"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// A house is what a machine has for a spec: its keepers, and the instances that
// they found. For one goroutine.
type house struct {
	spec      Spec
	container *containerKeeper // of the engine that is asked for; nil without one
	engineErr error            // why there is none; nil when none is asked for
	// others are of further engines that a registry of ours was put in.
	others  []*containerKeeper
	known   []engineRef // engines that a registry of ours was put in
	lost    error       // why some of them cannot be asked
	service *serviceKeeper
	process *processKeeper
	found   []resident
}

type resident struct {
	keeper   keeper
	instance instance
}

// survey finds the keepers and all instances of s. The version is that of the
// program, empty when none is to be started.
func (s Spec) survey(ctx context.Context, version string) (*house, error) {
	h := &house{
		spec:    s,
		service: &serviceKeeper{spec: s, version: version},
		process: &processKeeper{spec: s, version: version},
	}
	if err := h.dial(ctx, version); err != nil {
		return nil, err
	}
	var keepers []keeper
	for _, k := range h.containers() {
		keepers = append(keepers, k)
	}
	for _, k := range append(keepers, h.service, h.process) {
		instances, err := k.find(ctx)
		for _, i := range instances {
			h.found = append(h.found, resident{k, i})
		}
		if err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// containers are the keepers of all engines that answer.
func (h *house) containers() []*containerKeeper {
	if h.container == nil {
		return h.others
	}
	return append([]*containerKeeper{h.container}, h.others...)
}

// dial connects to the engine that the spec asks for, and to those that a
// registry of ours was put in: it may have to be taken out.
func (h *house) dial(ctx context.Context, version string) error {
	var err error
	if h.known, err = h.spec.readEngines(); err != nil {
		return err
	}
	var tried string
	if h.wantsEngine() {
		cfg := h.spec.Engine
		if anyEngine := cfg.Kind == "" || cfg.Kind == engine.Auto; anyEngine && cfg.Socket == "" && len(h.known) > 0 {
			cfg.Kind, cfg.Socket = h.known[0].Kind, h.known[0].Socket // what runs is kept
		}
		tried = cfg.Socket
		if h.container, h.engineErr = h.connect(ctx, cfg, version); h.container != nil {
			tried = h.container.ref.Socket
		}
	}
	for _, ref := range h.known {
		if ref.Socket == tried {
			if h.container == nil {
				h.lost = errors.Join(h.lost, h.engineErr)
			}
			continue
		}
		cfg := engine.Config{Kind: ref.Kind, Socket: ref.Socket, Timeout: h.spec.Engine.Timeout}
		other, err := h.connect(ctx, cfg, version)
		if err != nil {
			h.lost = errors.Join(h.lost, err)
			continue
		}
		h.others = append(h.others, other)
	}
	return nil
}

// wantsEngine reports whether the registry may be going to run in an engine.
func (h *house) wantsEngine() bool { return h.spec.Mode != Service && h.spec.Mode != Process }

func (h *house) connect(ctx context.Context, cfg engine.Config, version string) (*containerKeeper, error) {
	e, err := engine.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	ref := engineRef{Kind: info.Kind, Socket: info.Socket}
	return &containerKeeper{spec: h.spec, version: version, engine: e, ref: ref, arch: info.Arch}, nil
}

func (h *house) close() {
	for _, k := range h.containers() {
		_ = k.engine.Close()
	}
	for _, r := range h.found {
		if p, ok := r.instance.(*processInstance); ok {
			p.close()
		}
	}
}

// blind returns why an engine that may have the registry cannot be asked.
func (h *house) blind() error {
	switch {
	case h.spec.Mode == Container && h.engineErr != nil:
		return h.engineErr
	case h.lost != nil && h.wantsEngine():
		return fmt.Errorf("the registry ran as a container before: %w", h.lost)
	}
	return nil
}

// keeper returns the one for the spec's mode. Auto is the one of what runs, else
// what the machine has.
func (h *house) keeper(ctx context.Context) (keeper, error) {
	switch h.spec.Mode {
	case Service:
		return h.service, nil
	case Process:
		return h.process, nil
	}
	if err := h.blind(); err != nil && h.container == nil {
		return nil, err
	}
	if h.spec.Mode == Container {
		return h.container, nil
	}
	if absent := errors.Is(h.engineErr, engine.ErrNoEngine) && !errors.Is(h.engineErr, engine.ErrDown); h.engineErr != nil && !absent {
		return nil, h.engineErr // there, but out of order
	}
	for _, r := range h.found {
		_, contained := r.keeper.(*containerKeeper)
		if seen, err := r.instance.look(ctx); err == nil && seen.running && !contained {
			return r.keeper, nil
		}
	}
	switch {
	case h.container != nil:
		return h.container, nil
	case h.spec.Systemd.runs():
		return h.service, nil
	}
	return h.process, nil
}
