package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
)

// giveList puts the set's list and the way to the central registry on every host,
// before anything is sent (R9), and learns what each lacks. Where the store has no
// record of what was verified, all that it has of the set is read for that.
func (r *run) giveList(ctx context.Context) error {
	defer r.sumUp("list")()
	r.each(ctx, "list", r.where((*host).isUsable), r.giveListTo)
	return nil
}

func (r *run) giveListTo(ctx context.Context, h *host) error {
	ctx, cancel := r.patiently(ctx, h, CallTime)
	defer cancel()
	req := message.List{Set: r.set, Upstream: r.upstream, Shared: h.shared, EngineCA: r.cfg.EngineTrust}
	alike, err := r.alike(fmt.Sprint("list ", h.shared), message.CallList, req)
	if err != nil {
		return err
	}
	var have message.Have
	if err := h.callAlike(ctx, alike, &have); err != nil {
		return err
	}
	if !have.Missing.Below(len(r.set.Blobs)) {
		return fmt.Errorf("it names blobs %v of %d", have.Missing, len(r.set.Blobs))
	}
	h.missing, h.listed = have.Missing, true
	return nil
}

// alike encodes a request that several hosts get, once for each key. The list of 200
// images is 300 KB: a thousand hosts at once would take a gigabyte for their copies.
func (r *run) alike(key, method string, req any) (control.Encoded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.encoded[key]; ok {
		return e, nil
	}
	e, err := control.Encode(method, req)
	if err != nil {
		return e, err
	}
	if r.encoded == nil {
		r.encoded = make(map[string]control.Encoded)
	}
	r.encoded[key] = e
	return e, nil
}

// check has every host prove that it can take part: disk, architecture, TCP to
// the sender and to the central registry (R4).
func (r *run) check(ctx context.Context) error {
	if err := r.listen(ctx); err != nil {
		return err
	}
	asked := r.where((*host).isUsable)
	r.each(ctx, "check", asked, r.checkHost)
	asked = r.where(func(h *host) bool { return h.answered })
	if len(asked) == 0 {
		return nil // all were lost; the report says why
	}
	reached := func(problem func(*host) *message.Problem) bool {
		return slices.ContainsFunc(asked, func(h *host) bool { return problem(h) == nil })
	}
	if !reached(func(h *host) *message.Problem { return h.checked.Sender }) {
		return r.noWay("the sender", r.carrier.Sender.String(), asked[0].checked.Sender)
	}
	if !reached(func(h *host) *message.Problem { return h.checked.Central }) {
		return r.noWay("the central registry", r.upstream.URL, asked[0].checked.Central)
	}
	return nil
}

func (r *run) noWay(what, where string, why *message.Problem) error {
	return fmt.Errorf("%w: no host can open TCP to %s at %s (%w): open that port there, choose another --local-ip, or a --sender that they reach",
		ErrNoWay, what, where, why)
}

func (r *run) listen(ctx context.Context) error {
	ctx, cancel := r.within(ctx, CallTime)
	defer cancel()
	var listening message.Listening
	if err := r.sender.call(ctx, message.CallListen, message.Listen{Carrier: r.carrier}, &listening); err != nil {
		return fmt.Errorf("%w: listening on %v: %w", r.unusable(err), r.carrier.Sender, err)
	}
	r.carrier.Pin = listening.Pin
	return nil
}

func (r *run) checkHost(ctx context.Context, h *host) error {
	ctx, cancel := r.within(ctx, CallTime)
	defer cancel()
	req := message.Check{Address: h.cfg.Address, Carrier: r.carrier, Upstream: r.upstream, SetID: r.set.ID,
		MissingBytes: r.sizeOf(h.missing), LinkInodes: r.linkInodes}
	if err := h.call(ctx, message.CallCheck, req, &h.checked); err != nil {
		return err
	}
	h.answered = true
	c := h.checked
	if c.Platform != nil {
		h.serving = false
		h.drop()
		return c.Platform
	}
	if c.Central != nil {
		r.warn("%s: the central registry cannot be reached: %s", h.label(), c.Central.Text)
	}
	var errs []error
	for _, p := range []*message.Problem{c.Disk, c.Sender} {
		if p != nil {
			errs = append(errs, p)
		}
	}
	if h.missing.Len() == 0 {
		return nil // it needs nothing from anybody
	}
	return errors.Join(errs...)
}

// serve runs the registry on every host, over what its store holds: faults of
// engine and port show before anything is sent.
func (r *run) serve(ctx context.Context) error {
	r.each(ctx, "serve", r.where(func(h *host) bool { return h.isUsable() && h.listed }), r.serveOn)
	return nil
}

func (r *run) serveOn(ctx context.Context, h *host) error {
	ctx, cancel := r.within(ctx, ServeTime)
	defer cancel()
	if err := h.call(ctx, message.CallServe, message.Serve{Shared: h.shared}, &h.served); err != nil {
		return err
	}
	h.serving = true
	return nil
}
