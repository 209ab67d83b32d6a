package deploy

import (
	"context"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// recoverHosts opens a new session to hosts whose agent was lost, once, so that
// they lean on the central registry with the new list instead of answering with
// old tags (R9), and has them prove it. It comes after the others' proof: a host
// that is gone costs them no time. Who then has no outcome is failed.
func (r *run) recoverHosts(ctx context.Context) error {
	r.each(ctx, "recover", r.where(func(h *host) bool { return h.lost && !h.isUsable() }), r.recoverHost)
	for _, h := range r.hosts {
		announced := h.outcome != "" && !h.lost
		if h.outcome == "" {
			h.outcome = progress.Failed
		}
		if !announced {
			r.announce(h)
		}
	}
	return nil
}

func (r *run) recoverHost(ctx context.Context, h *host) error {
	setup := r.setup(h)
	if h.shared {
		setup = r.senderSetup()
		setup.Listen = h.cfg.Listen
	}
	if err := r.open(ctx, h, setup); err != nil {
		h.gone = time.Now().Before(r.deadline)
		h.drop()
		return err
	}
	if err := r.giveListTo(ctx, h); err != nil {
		return err
	}
	if err := r.serveOn(ctx, h); err != nil {
		return err
	}
	return r.verifyHost(ctx, h)
}
