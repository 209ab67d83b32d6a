package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// An importing is the sender's call that reads the bundle. It needs no host, so it
// runs while these are connected to.
type importing struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when res and err are there
	res    message.ImportResult
	err    error
}

// beginImport has the sender read the bundle into the central store, every digest
// checked. A sender elsewhere gets the bundle's bytes over its session.
func (r *run) beginImport(ctx context.Context) {
	ctx, cancel := r.within(ctx, time.Until(r.deadline))
	i := &importing{cancel: cancel, done: make(chan struct{})}
	r.importing = i
	client := r.sender.session.client // the session may be lost meanwhile
	go func() {
		defer close(i.done)
		i.err = r.callImport(ctx, client, &i.res)
	}()
}

// endImport ends a call that nobody waits for any more.
func (r *run) endImport() {
	if r.importing != nil {
		r.importing.cancel()
		<-r.importing.done
	}
}

// importBundle waits for the set that the sender reads.
func (r *run) importBundle(ctx context.Context) error {
	<-r.importing.done
	res := r.importing.res
	if err := r.sender.after(ctx, r.importing.err); err != nil {
		return r.importProblem(err)
	}
	if res.Set == nil || len(res.Set.Images) == 0 {
		return fmt.Errorf("%w: %s holds no images", ErrInput, r.cfg.Bundle)
	}
	if err := res.Set.Validate(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInput, r.cfg.Bundle, err)
	}
	r.set, r.linkInodes = res.Set, res.LinkInodes
	r.setDeadline(max(r.bundleSize(), r.set.TotalSize()))
	return nil
}

// importProblem tells what the operator can do something about from what ended
// on the way.
func (r *run) importProblem(err error) error {
	switch reason := reasonOf(err); reason {
	case "":
		return fmt.Errorf("reading %s on the sender: %w", r.cfg.Bundle, err)
	case message.ReasonBusy:
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrInput, r.cfg.Bundle, err)
}

// bundleSize is the size of the bundle's file, 0 when it cannot be asked for.
func (r *run) bundleSize() int64 {
	if r.cfg.Origin != nil {
		return 0
	}
	info, err := os.Stat(r.cfg.Bundle)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (r *run) callImport(ctx context.Context, client *control.Client, res *message.ImportResult) error {
	req := message.Import{Path: r.cfg.Bundle, Origin: r.cfg.Origin, SHA512: r.cfg.SHA512, By: self(), Choice: r.cfg.Choice}
	if req.Origin != nil {
		req.Path = ""
	}
	if !r.cfg.SenderElsewhere || req.Origin != nil {
		return client.Call(ctx, message.CallImport, req, res)
	}
	f, err := os.Open(r.cfg.Bundle)
	if err != nil {
		return &control.Error{Reason: message.ReasonBundle, Text: err.Error()}
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return &control.Error{Reason: message.ReasonBundle,
			Text: "a directory is read only by a sender on this machine: make a bundle of it with bundle create"}
	}
	req.Path = ""
	return client.CallStream(ctx, message.CallImport, req, f, res)
}

// self names this process for those who find its lock.
func self() string {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Sprintf("pid %d", os.Getpid())
	}
	return fmt.Sprintf("pid %d on %s", os.Getpid(), name)
}

// serveCentrally has the sender serve the set to all hosts before anything is
// sent: the failsafe.
func (r *run) serveCentrally(ctx context.Context) error {
	ctx, cancel := r.within(ctx, ServeTime)
	defer cancel()
	if r.cfg.CentralIs != nil {
		return r.useCentral(ctx, *r.cfg.CentralIs)
	}
	req := message.Central{SetID: r.set.ID, Listen: r.cfg.Central}
	for _, h := range r.where(func(h *host) bool { return h.shared && h.isUsable() }) {
		req.Local = h.cfg.Listen
	}
	if err := r.sender.call(ctx, message.CallCentral, req, &r.upstream); err != nil {
		return fmt.Errorf("%w: the central registry on %v: %w", r.unusable(err), r.cfg.Central, err)
	}
	return nil
}

// useCentral takes the operator's own registry, if it has the set (R11).
func (r *run) useCentral(ctx context.Context, up registry.Upstream) error {
	if err := r.sender.call(ctx, message.CallReach, message.Reach{SetID: r.set.ID, Upstream: up}, nil); err != nil {
		return fmt.Errorf("%w: the central registry %s cannot be used: %w", r.unusable(err), up.URL, err)
	}
	r.upstream = up
	return nil
}

// unusable tells an answer of the sender's machine, which the operator can do
// something about, from a fault of ours.
func (r *run) unusable(err error) error {
	if reasonOf(err) != "" {
		return ErrInput
	}
	return errors.New("deploy")
}

// reasonOf is the reason that an agent's answer has, "" for all else.
func reasonOf(err error) string {
	var answered *control.Error
	if errors.As(err, &answered) {
		return answered.Reason
	}
	return ""
}
