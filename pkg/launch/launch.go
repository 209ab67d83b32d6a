package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// undoTime bounds what is done after a start has failed.
const undoTime = 45 * time.Second

// Start makes the registry that s describes run, and returns when it answers with
// s.Identity on all its addresses and on no other. What runs in that way already
// is kept. Another registry of ours under the name is replaced: it goes on until
// the new one is made, and comes back when the new one does not become ready.
//
// Errors: ErrSpec, *PortError, ErrNotReady, *ExposedError, ErrForeign,
// ErrNoSystemd, and package engine's.
func Start(ctx context.Context, s Spec) (Status, error) {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return Status{}, err
	}
	if s.Mode == None {
		return Check(ctx, s)
	}
	house, err := s.survey(ctx)
	if err != nil {
		return Status{}, err
	}
	defer house.close()
	k, err := house.keeper(s.Mode)
	if err != nil {
		return Status{}, err
	}
	if status, ok := house.keep(ctx, k); ok {
		return status, nil
	}
	if err := house.checkPorts(ctx); err != nil {
		return Status{}, err
	}
	return house.replace(ctx, k)
}

// Check says what there is of the registry under s.Name, without changing it.
// With addresses and an identity in s a registry only counts as running when it
// answers with it and listens nowhere else (R8).
func Check(ctx context.Context, s Spec) (Status, error) {
	s = s.withDefaults()
	if err := s.validateName(); err != nil {
		return Status{}, err
	}
	house, err := s.survey(ctx)
	if err != nil {
		return Status{}, err
	}
	defer house.close()
	status := Status{Mode: None}
	for _, found := range house.found {
		seen, err := found.instance.look(ctx)
		if err != nil {
			return status, err
		}
		if status = seen.status(); status.Running {
			break
		}
	}
	if !status.Running {
		return status, nil
	}
	if status.Listening, err = listenersOf(status.PID); err != nil {
		return status, err
	}
	if s.Identity == "" || len(s.wanted()) == 0 {
		return status, nil
	}
	return s.prove(ctx, status)
}

// prove asks the registry of status for its identity.
func (s Spec) prove(ctx context.Context, status Status) (Status, error) {
	var err error
	for _, a := range s.wanted() {
		if !slices.Contains(status.Listening, a) {
			err = fmt.Errorf("%w on %s", ErrNoListener, a)
		}
	}
	if err == nil {
		status.Identity, err = s.identify(ctx)
	}
	if err != nil {
		status.Running = false
		return status, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return status, nil
}

// Stop ends the registry under s.Name in whatever mode it runs. With purge what
// we have put there goes too: container, images, unit, pid file; never a store.
func Stop(ctx context.Context, s Spec, purge bool) error {
	s = s.withDefaults()
	if err := s.validateName(); err != nil {
		return err
	}
	house, err := s.survey(ctx)
	if err != nil {
		return err
	}
	defer house.close()
	var errs []error
	for _, found := range house.found {
		errs = append(errs, found.instance.stop(ctx))
		if purge {
			errs = append(errs, found.instance.remove(ctx))
		}
	}
	if purge {
		errs = append(errs, house.purge(ctx))
	}
	return errors.Join(errs...)
}

// A house is what a machine has for a spec: its keepers, and the instances that
// they found.
type house struct {
	spec      Spec
	container *containerKeeper // nil without an engine
	engineErr error            // why there is none
	service   *serviceKeeper
	process   *processKeeper
	found     []resident
}

type resident struct {
	keeper   keeper
	instance instance
}

// survey finds the keepers and all instances of s.
func (s Spec) survey(ctx context.Context) (*house, error) {
	var version string
	if s.Program != "" {
		var err error
		if version, err = fileVersion(s.Program); err != nil {
			return nil, err
		}
	}
	h := &house{
		spec:    s,
		service: &serviceKeeper{spec: s, version: version},
		process: &processKeeper{spec: s, version: version},
	}
	keepers := []keeper{h.service, h.process}
	if s.Mode != Service && s.Mode != Process {
		eng, err := engine.Dial(ctx, s.Engine)
		if h.engineErr = err; err == nil {
			info, err := eng.Info(ctx)
			if err != nil {
				return nil, errors.Join(err, eng.Close())
			}
			h.container = &containerKeeper{spec: s, version: version, engine: eng, kind: info.Kind}
			keepers = append([]keeper{h.container}, keepers...)
		}
	}
	for _, k := range keepers {
		instances, err := k.find(ctx)
		if err != nil {
			h.close()
			return nil, err
		}
		for _, i := range instances {
			h.found = append(h.found, resident{k, i})
		}
	}
	return h, nil
}

func (h *house) close() {
	if h.container != nil {
		_ = h.container.engine.Close()
	}
}

// keeper returns the one for mode. Auto is the one of what runs, else what the
// machine has.
func (h *house) keeper(mode Mode) (keeper, error) {
	switch mode {
	case Container:
		if h.container == nil {
			return nil, h.engineErr
		}
		return h.container, nil
	case Service:
		return h.service, nil
	case Process:
		return h.process, nil
	}
	for _, r := range h.found {
		if seen, err := r.instance.look(context.Background()); err == nil && seen.running {
			return r.keeper, nil
		}
	}
	switch {
	case h.container != nil:
		return h.container, nil
	case !errors.Is(h.engineErr, engine.ErrNoEngine):
		return nil, h.engineErr // there, but out of order
	case h.spec.Systemd.runs():
		return h.service, nil
	}
	return h.process, nil
}

// keep returns the status of what runs as it should already.
func (h *house) keep(ctx context.Context, k keeper) (Status, bool) {
	want, err := k.fingerprint()
	if err != nil || len(h.found) != 1 || h.found[0].keeper != k {
		return Status{}, false
	}
	seen, err := h.found[0].instance.look(ctx)
	if err != nil || !seen.running || seen.fingerprint != want {
		return Status{}, false
	}
	if seen, err = h.spec.readyNow(ctx, h.found[0].instance); err != nil {
		return Status{}, false
	}
	status := h.complete(seen)
	status.Kept = true
	return status, true
}

func (h *house) complete(seen sight) Status {
	status := seen.status()
	status.Identity = h.spec.Identity
	status.Listening, _ = listenersOf(seen.pid) // proven a moment ago
	return status
}

// checkPorts refuses addresses that another program has.
func (h *house) checkPorts(ctx context.Context) error {
	var own []int
	for _, r := range h.found {
		if seen, err := r.instance.look(ctx); err == nil && seen.running {
			own = append(own, seen.pid)
		}
	}
	for _, a := range h.spec.wanted() {
		sock, err := Listener(a)
		if errors.Is(err, ErrNoListener) {
			continue
		}
		if err != nil {
			return err
		}
		if !slices.Contains(own, sock.PID) {
			return &PortError{Addr: a, PID: sock.PID, Command: sock.Command}
		}
	}
	return nil
}

// replace puts a new instance in the place of all that were found.
func (h *house) replace(ctx context.Context, k keeper) (Status, error) {
	before := make([]bool, len(h.found)) // whether it ran
	next, err := k.prepare(ctx)
	if err != nil {
		return Status{}, err
	}
	for i, r := range h.found {
		seen, err := r.instance.look(ctx)
		before[i] = err == nil && seen.running
		if err := r.instance.stop(ctx); err != nil {
			return Status{}, h.undo(ctx, next, before, err)
		}
	}
	if err := next.start(ctx); err != nil {
		return Status{}, h.undo(ctx, next, before, err)
	}
	seen, err := h.spec.ready(ctx, next, h.spec.ReadyTimeout)
	if err != nil {
		return Status{}, h.undo(ctx, next, before, err)
	}
	for _, r := range h.found {
		if err := r.instance.remove(ctx); err != nil {
			return Status{}, err
		}
	}
	if err := next.settle(ctx); err != nil {
		return Status{}, err
	}
	if settled, err := next.look(ctx); err == nil {
		seen = settled
	}
	return h.complete(seen), nil
}

// undo takes next away and brings back what ran before (fault 73).
func (h *house) undo(ctx context.Context, next instance, before []bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	errs := []error{cause}
	for _, err := range []error{next.stop(ctx), next.remove(ctx)} {
		if err != nil {
			errs = append(errs, fmt.Errorf("taking the new registry away: %w", err))
		}
	}
	for i, r := range h.found {
		if !before[i] {
			continue
		}
		if err := r.instance.start(ctx); err != nil {
			errs = append(errs, fmt.Errorf("starting the old registry again: %w", err))
		}
	}
	return errors.Join(errs...)
}

// purge removes what no instance stands for.
func (h *house) purge(ctx context.Context) error {
	var errs []error
	if h.container != nil {
		errs = append(errs, h.container.removeImages(ctx, ""))
	}
	_, u, err := h.spec.readUnit()
	if err == nil && u.name == h.spec.Name {
		errs = append(errs, h.spec.removeUnit(ctx))
	}
	return errors.Join(errs...)
}
