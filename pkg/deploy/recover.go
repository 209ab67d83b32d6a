package deploy

import "context"

// recoverHosts opens a new session to hosts whose agent was lost, once, so that
// they lean on the central registry with the new list instead of answering with
// old tags (R9).
func (r *run) recoverHosts(ctx context.Context) error {
	r.each(ctx, "recover", r.where(func(h *host) bool { return h.lost && !h.isUsable() }), r.recoverHost)
	return nil
}

func (r *run) recoverHost(ctx context.Context, h *host) error {
	setup := r.setup(h)
	if h.shared {
		setup = r.senderSetup()
		setup.Listen = h.cfg.Listen
	}
	if err := r.open(ctx, h, setup); err != nil {
		h.drop()
		return err
	}
	if err := r.giveListTo(ctx, h); err != nil {
		return err
	}
	return r.serveOn(ctx, h)
}
