package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
)

// importBundle has the sender read the bundle into the central store, every
// digest checked. A sender elsewhere gets the bundle's bytes over its session.
func (r *run) importBundle(ctx context.Context) error {
	var res message.ImportResult
	err := r.callImport(ctx, &res)
	if err := r.sender.after(ctx, err); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInput, r.cfg.Bundle, err)
	}
	if err := res.Set.Validate(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInput, r.cfg.Bundle, err)
	}
	if len(res.Set.Images) == 0 {
		return fmt.Errorf("%w: %s holds no images", ErrInput, r.cfg.Bundle)
	}
	r.set = res.Set
	if r.cfg.Timeout == 0 {
		payload := time.Duration(r.set.TotalSize()/TimeoutRate) * time.Second
		r.deadline = r.deadline.Add(payload)
	}
	return nil
}

func (r *run) callImport(ctx context.Context, res *message.ImportResult) error {
	req := message.Import{Path: r.cfg.Bundle, SHA512: r.cfg.SHA512}
	client := r.sender.session.client
	if r.cfg.SenderIs < 0 {
		return client.Call(ctx, message.CallImport, req, res)
	}
	f, err := os.Open(r.cfg.Bundle)
	if err != nil {
		return &control.Error{Text: err.Error()}
	}
	defer f.Close()
	req.Path = ""
	return client.CallStream(ctx, message.CallImport, req, f, res)
}

// serveCentrally has the sender serve the set to all hosts before anything is
// sent: the failsafe.
func (r *run) serveCentrally(ctx context.Context) error {
	if r.cfg.CentralIs != nil {
		r.upstream = *r.cfg.CentralIs
		return nil
	}
	ctx, cancel := r.within(ctx, ServeTime)
	defer cancel()
	req := message.Central{SetID: r.set.ID, Listen: r.cfg.Central}
	for _, h := range r.where(func(h *host) bool { return h.shared && h.isUsable() }) {
		req.Local = h.cfg.Listen
	}
	if err := r.sender.call(ctx, message.CallCentral, req, &r.upstream); err != nil {
		return fmt.Errorf("%w: the central registry on %v: %w", r.unusable(err), r.cfg.Central, err)
	}
	return nil
}

// unusable tells an answer of the sender's machine, which the operator can do
// something about, from a fault of ours.
func (r *run) unusable(err error) error {
	var answered *control.Error
	if errors.As(err, &answered) && answered.Reason != "" {
		return ErrInput
	}
	return errors.New("deploy")
}
