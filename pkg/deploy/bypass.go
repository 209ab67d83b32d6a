package deploy

import (
	"context"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// bypass looks on which of the hosts that failed Kolla can pull nevertheless: where
// the engine takes an image from the central registry. It gets time of its own, for
// what used up the run's is no reason to leave a host without images.
func (r *run) bypass(ctx context.Context) error {
	if late := time.Now().Add(BypassTime); r.deadline.Before(late) {
		r.deadline = late
	}
	if r.upstream.URL == "" {
		return nil
	}
	failed := r.where(func(h *host) bool { return h.outcome == progress.Failed && r.mayBypass(h) })
	r.each(ctx, "bypass", failed, r.bypassHost)
	return nil
}

// mayBypass reports whether there is a way to the host, and something for it there:
// one that has proved to be another machine is not touched, and one of another
// architecture could not run what it pulls.
func (r *run) mayBypass(h *host) bool {
	if !h.isUsable() && (h.facts.Machine == "" || h.gone) {
		return false
	}
	p := h.trouble()
	return p == nil || p.Reason != message.ReasonIdentity && p.Reason != message.ReasonArchitecture
}

func (r *run) bypassHost(ctx context.Context, h *host) error {
	if !h.isUsable() {
		if err := r.open(ctx, h, r.setup(h)); err != nil {
			h.drop()
			return err
		}
	}
	if err := r.pullFrom(ctx, h, message.Pull{Upstream: &r.upstream}); err != nil {
		return err
	}
	h.bypasses = true
	r.emit(progress.Event{
		Kind: progress.HostState, Step: "bypass", Host: h.label(), State: string(h.outcome),
		Reason: "its engine pulls from the central registry",
	})
	return nil
}
