package deploy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// verify switches every host to the set and has it prove over HTTP what it
// serves. Only the proof makes an outcome (R7).
func (r *run) verify(ctx context.Context) error {
	asked := r.where((*host).canLean)
	r.each(ctx, "verify", asked, r.verifyHost)
	for _, h := range asked {
		if h.outcome != "" {
			r.announce(h)
		}
	}
	return nil
}

func (r *run) announce(h *host) {
	e := progress.Event{Kind: progress.HostState, Host: h.label(), State: string(h.outcome)}
	if p := h.trouble(); p != nil && h.outcome != progress.Local {
		e.Reason = p.String()
	}
	r.emit(e)
}

func (r *run) verifyHost(ctx context.Context, h *host) error {
	var localErr error
	if h.missing.Len() == 0 || h.shared { // the central registry has nobody to lean on
		if localErr = r.prove(ctx, h, false); localErr == nil {
			h.outcome = progress.Local
			return nil
		}
	}
	if !h.isUsable() || h.shared {
		return localErr
	}
	if err := r.prove(ctx, h, true); err != nil {
		return errors.Join(localErr, err)
	}
	if err := r.pullCentrally(ctx, h); err != nil {
		return errors.Join(localErr, err)
	}
	h.outcome = progress.Central
	return localErr
}

// prove switches h to the set, whole or leaning, and has it read back.
func (r *run) prove(ctx context.Context, h *host, lean bool) error {
	limit := ProofTime + time.Duration(r.set.TotalSize()/ProofRate)*time.Second
	ctx, cancel := r.within(ctx, CallTime+limit)
	defer cancel()
	var activated message.Activated
	if err := h.call(ctx, message.CallActivate, message.Activate{SetID: r.set.ID, Lean: lean}, &activated); err != nil {
		return err
	}
	h.switched = h.switched || activated.Changed
	return h.call(ctx, message.CallVerify, message.Verify{SetID: r.set.ID, Lean: lean}, nil)
}

// pullCentrally has the host's engine pull an image from the address that Kolla
// will use, where that is the central registry (R12).
func (r *run) pullCentrally(ctx context.Context, h *host) error {
	if r.cfg.Fallback != kolla.PerHost && r.cfg.Fallback != kolla.All {
		return nil
	}
	return r.pullFrom(ctx, h, message.Pull{})
}

// pullFrom has the host's engine pull an image from the central registry.
func (r *run) pullFrom(ctx context.Context, h *host, req message.Pull) error {
	ctx, cancel := r.within(ctx, ServeTime)
	defer cancel()
	im := r.set.Images[0]
	req.Reference = strings.TrimPrefix(r.upstream.URL, "https://") + "/" + im.Repository + ":" + im.Tag
	return h.call(ctx, message.CallPull, req, nil)
}
