package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// Start makes the registry that s describes run, and returns when it answers with
// s.Identity on all its addresses and on no other. What runs in that way already
// is kept. Another registry of ours under the name is replaced, in whatever mode
// it runs: it goes on until the new one is made, and comes back when the new one
// does not become ready. Starts of one name wait for each other.
//
// In mode Auto an engine that is there but out of order is an error, and so is
// one that is gone after the registry has run in it: the registry could run
// without it, but nothing could be pulled there.
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
	version, err := fileVersion(s.Program)
	if err != nil {
		return Status{}, err
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return Status{}, err
	}
	defer lock.release()
	house, err := s.survey(ctx, version)
	if err != nil {
		return Status{}, err
	}
	defer house.close()
	k, err := house.keeper(ctx)
	if err != nil {
		return Status{}, err
	}
	if status, ok, err := house.keep(ctx, k); ok || err != nil {
		return status, err
	}
	if err := house.checkPorts(ctx); err != nil {
		return Status{}, err
	}
	return house.replace(ctx, k)
}

// Check says what there is of the registry under s.Name, without changing it.
// With addresses and an identity in s a registry only counts as running when it
// answers with it there, and in plain text nowhere else (R8). An engine that is
// out of order is an error when the registry may be in it: in mode Container,
// and when it has run as a container before.
func Check(ctx context.Context, s Spec) (Status, error) {
	s = s.withDefaults()
	if err := s.validateName(); err != nil {
		return Status{}, err
	}
	house, err := s.survey(ctx, "")
	if err != nil {
		return Status{}, err
	}
	defer house.close()
	status, err := house.look(ctx)
	if err != nil {
		return status, err
	}
	if !status.Running {
		return status, house.blind()
	}
	if status.Listening, err = listenersOf(status.PID); err != nil {
		return status, err
	}
	if s.Identity == "" || len(s.wanted()) == 0 {
		return status, nil
	}
	return s.prove(ctx, status)
}

// look returns the first that runs, else the first that is there.
func (h *house) look(ctx context.Context) (Status, error) {
	status := Status{Mode: None}
	for _, r := range h.found {
		seen, err := r.instance.look(ctx)
		if errors.Is(err, engine.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return status, err
		}
		if seen.running {
			return seen.status(), nil
		}
		if status.Mode == None {
			status = seen.status()
		}
	}
	return status, nil
}

// prove asks the registry of status for its identity.
func (s Spec) prove(ctx context.Context, status Status) (Status, error) {
	err := s.exposure(ctx, status.Listening)
	for _, a := range s.wanted() {
		if err == nil && !slices.Contains(status.Listening, unmapped(a)) {
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

// Stop ends the registry under s.Name in whatever mode it runs. It may come back
// with the next boot. With purge what we have put there goes too: container,
// images, unit, pid file, log; never a store. An engine that cannot be asked is
// an error when a container of ours may be in it, after all else is done.
func Stop(ctx context.Context, s Spec, purge bool) error {
	s = s.withDefaults()
	if err := s.validateName(); err != nil {
		return err
	}
	lock, err := s.lockToStop(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	house, err := s.survey(ctx, "")
	if err != nil {
		return err
	}
	defer house.close()
	errs := []error{house.blind()}
	for _, r := range house.found {
		errs = append(errs, r.instance.stop(ctx))
		if purge {
			errs = append(errs, r.instance.remove(ctx))
		}
	}
	if purge {
		errs = append(errs, house.purge(ctx))
		lock.discard()
	}
	return errors.Join(errs...)
}

// lockToStop is lock, but makes no directory where there is nothing to stop.
func (s Spec) lockToStop(ctx context.Context) (*lock, error) {
	if _, err := os.Stat(s.BaseDir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s.lock(ctx)
}

// purge removes what no instance stands for.
func (h *house) purge(ctx context.Context) error {
	var errs []error
	for _, k := range h.containers() {
		errs = append(errs, k.clear(ctx))
	}
	_, u, err := h.spec.readUnit()
	if err == nil && u.name == h.spec.Name {
		errs = append(errs, h.spec.removeUnit(ctx))
	}
	if err := os.Remove(h.process.logFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("removing the registry's log: %w", err))
	}
	return errors.Join(errs...)
}
