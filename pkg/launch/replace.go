package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

const (
	// undoTime bounds what is done after a start has failed; undoTimeHung when
	// it failed because the engine does not answer.
	undoTime     = 45 * time.Second
	undoTimeHung = 10 * time.Second
	// keepTimeout is how long a registry that runs may take to answer before it
	// is replaced: it may be busy.
	keepTimeout = 5 * time.Second
)

// keep returns the status of what runs as it should already. What an
// interrupted start has left beside it is taken away, and what that start had
// still to do is done.
func (h *house) keep(ctx context.Context, k keeper) (Status, bool, error) {
	want, err := k.fingerprint()
	if err != nil {
		return Status{}, false, err
	}
	for i, r := range h.found {
		if r.keeper != k {
			continue
		}
		seen, err := r.instance.look(ctx)
		if err != nil || !seen.running || seen.fingerprint != want || h.onlyWaits(seen) {
			continue
		}
		if err = h.spec.ready(ctx, r.instance, keepTimeout); err != nil {
			h.spec.Log.Info("the registry runs but does not serve", "err", err)
			continue
		}
		rest := slices.Delete(slices.Clone(h.found), i, i+1)
		for _, o := range rest {
			if err := o.instance.stop(ctx); err != nil {
				return Status{}, false, err
			}
		}
		status, err := h.finish(ctx, k, r.instance, rest)
		status.Kept = err == nil
		return status, err == nil, err
	}
	return Status{}, false, nil
}

// onlyWaits reports whether one of several that were found has no address: its
// starter was killed before it stopped the one that has them.
func (h *house) onlyWaits(seen sight) bool {
	if len(h.found) == 1 {
		return false
	}
	own, err := listenersOf(seen.pid)
	return err == nil && len(own) == 0
}

// finish removes the stopped instances and gives the proven one its place.
func (h *house) finish(ctx context.Context, k keeper, proven instance, stopped []resident) (Status, error) {
	for _, r := range stopped {
		if err := r.instance.remove(ctx); err != nil {
			return Status{}, fmt.Errorf("removing the old registry: %w", err)
		}
	}
	if err := proven.settle(ctx); err != nil {
		return Status{}, err
	}
	for _, c := range h.containers() {
		if keeper(c) != k {
			if err := c.clear(ctx); err != nil {
				return Status{}, err
			}
		}
	}
	seen, err := proven.look(ctx)
	if err != nil {
		return Status{}, err
	}
	status := seen.status()
	status.Identity = h.spec.Identity
	status.Listening, _ = listenersOf(seen.pid) // proven a moment ago
	return status, nil
}

// checkPorts refuses addresses that another program has.
func (h *house) checkPorts(ctx context.Context, more ...instance) error {
	var own []int
	for _, r := range h.found {
		more = append(more, r.instance)
	}
	for _, i := range more {
		if seen, err := i.look(ctx); err == nil && seen.running {
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
		// A wildcard of IPv6 may have been told to leave IPv4 alone.
		if slices.Contains(own, sock.PID) || sock.Local != unmapped(a) && isFree(ctx, a.String()) {
			continue
		}
		return &PortError{Addr: a, PID: sock.PID, Command: sock.Command}
	}
	return nil
}

// isFree reports whether addr can be listened on.
func isFree(ctx context.Context, addr string) bool {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// replace puts a new instance in the place of all that were found. The old one
// has to stop before the new one can have its addresses, so the new one is tried out,
// made and started before, and waits for them; nothing of the old one is removed until
// the new one has proven itself (fault 73).
func (h *house) replace(ctx context.Context, k keeper) (Status, error) {
	before := h.alive(ctx)
	if slices.Contains(before, true) {
		if err := h.spec.tryOut(ctx); err != nil {
			return Status{}, err
		}
	}
	next, err := k.prepare(ctx)
	if err != nil {
		return Status{}, err
	}
	if err := h.takeOver(ctx, next); err != nil {
		return Status{}, h.undo(ctx, next, before, err)
	}
	if err := h.spec.ready(ctx, next, h.spec.ReadyTimeout); err != nil {
		if ctx.Err() == nil { // without time nobody could say whose the address is
			// Somebody may have taken the address in between.
			err = errors.Join(err, h.checkPorts(ctx, next))
		}
		return Status{}, h.undo(ctx, next, before, err)
	}
	status, err := h.finish(ctx, k, next, h.found)
	status.Replaced = slices.Contains(before, true)
	return status, err
}

// takeOver starts next, and stops all that were found. Whoever is killed in between
// leaves one of them serving.
func (h *house) takeOver(ctx context.Context, next instance) error {
	if err := next.start(ctx); err != nil {
		return err
	}
	for _, r := range h.found {
		if err := r.instance.stop(ctx); err != nil {
			return fmt.Errorf("stopping the old registry: %w", err)
		}
	}
	return nil
}

// alive reports of each instance found whether it serves, or would if a start
// had not been interrupted: that one had stopped it for a successor, which is
// still there.
func (h *house) alive(ctx context.Context) []bool {
	count := make(map[keeper]int)
	for _, r := range h.found {
		count[r.keeper]++
	}
	before := make([]bool, len(h.found))
	for i, r := range h.found {
		seen, err := r.instance.look(ctx)
		before[i] = err == nil && (seen.running || seen.restarting || count[r.keeper] > 1)
	}
	return before
}

// undo takes next away and brings back what ran before (fault 73).
func (h *house) undo(ctx context.Context, next instance, before []bool, cause error) error {
	limit := undoTime
	if errors.Is(cause, engine.ErrNotResponding) {
		limit = undoTimeHung
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
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
		err := r.instance.start(ctx)
		if errors.Is(err, engine.ErrNotFound) || errors.Is(err, errGone) {
			continue // the leftover of an interrupted start, removed by prepare
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("starting the old registry again: %w", err))
			continue
		}
		if err := awaitListening(ctx, r.instance); err != nil {
			errs = append(errs, fmt.Errorf("waiting for the old registry: %w", err))
		}
	}
	return errors.Join(errs...)
}

// awaitListening waits until an instance that comes back takes connections, so
// that whoever looks after a failed start finds it serving. Which addresses it was
// once told to listen on is not known here: any will do.
func awaitListening(ctx context.Context, inst instance) error {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		seen, err := inst.look(ctx)
		if err == nil && seen.fault != "" {
			return errors.New(seen.fault)
		}
		if err == nil && seen.running {
			own, err := listenersOf(seen.pid)
			if len(own) > 0 || errors.Is(err, fs.ErrPermission) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: it takes no connections", ErrNotReady)
		case <-time.After(pause):
		}
	}
}
