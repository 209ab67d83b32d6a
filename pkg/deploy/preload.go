package deploy

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// preloading is what becomes of the images that a host's engine is to have. It does
// not touch the host's outcome, which is about what its registry serves (R7); the
// exit code counts it.
type preloading struct {
	images   message.Indexes // into the set's
	registry string          // by whose name they are loaded
	done     message.Preloaded
	problem  *Problem
}

// A PreloadReport is what became of the images that a host's engine was to have.
type PreloadReport struct {
	Images   int                 `json:"images"`             // that it was to have
	Loaded   int                 `json:"loaded"`             // of these, now
	Present  int                 `json:"present"`            // of these, before
	Registry string              `json:"registry,omitempty"` // in the images' names
	Reason   string              `json:"reason,omitempty"`   // why some are not there
	Detail   string              `json:"detail,omitempty"`
	Faults   []message.LoadFault `json:"faults,omitempty"`
}

// failed reports whether images are not there that should be.
func (p *PreloadReport) failed() bool { return p != nil && p.Reason != "" }

// report is nil when nothing was to be loaded.
func (p *preloading) report() *PreloadReport {
	if p.images.Len() == 0 {
		return nil
	}
	rep := &PreloadReport{
		Images: p.images.Len(), Loaded: p.done.Loaded, Present: p.done.Present,
		Registry: p.registry, Faults: p.done.Faults,
	}
	if p.problem != nil {
		rep.Reason, rep.Detail = p.problem.Reason, p.problem.Text
	}
	return rep
}

// checkRoom chooses the images for each host and asks, before anything is sent,
// whether its engine is there and takes them (R16).
func (r *run) checkRoom(ctx context.Context) error {
	plans := make(map[string]*message.Unpacked) // by images and architecture
	var asked []*host
	for _, h := range r.where(func(h *host) bool { return h.isUsable() && h.listed }) {
		h.preload.images = r.imagesFor(h)
		if h.preload.images.Len() == 0 {
			continue
		}
		asked = append(asked, h)
		key := h.facts.Architecture + " " + h.preload.images.String()
		if plans[key] != nil {
			continue
		}
		plan, err := r.unpacked(ctx, h)
		if err != nil {
			return err
		}
		plans[key] = plan
		r.allowUnpacking(*plan)
	}
	r.warnOfUnused()
	r.eachPreload(ctx, "room", asked, func(ctx context.Context, h *host) error {
		ctx, cancel := r.within(ctx, CallTime)
		defer cancel()
		key := h.facts.Architecture + " " + h.preload.images.String()
		req := message.Room{SetID: r.set.ID, MissingBytes: r.sizeOf(h.missing), Unpacked: *plans[key]}
		alike, err := r.alike(fmt.Sprint("room ", key, " ", req.MissingBytes), message.CallRoom, req)
		if err != nil {
			return err
		}
		return h.callAlike(ctx, alike, nil)
	})
	return nil
}

// unpacked asks the sender what the images for h come to.
func (r *run) unpacked(ctx context.Context, h *host) (*message.Unpacked, error) {
	ctx, cancel := r.within(ctx, CallTime)
	defer cancel()
	req := message.Unpack{SetID: r.set.ID, Images: h.preload.images, Architecture: h.facts.Architecture}
	var res message.Unpacked
	if err := r.sender.call(ctx, message.CallUnpack, req, &res); err != nil {
		return nil, fmt.Errorf("%w: what the images unpack to: %w", r.unusable(err), err)
	}
	return &res, nil
}

// unpackRate is the slowest unpacking, bytes a second, that is not a fault: a disk
// that turns, with many small files.
const unpackRate = 10_000_000

// allowUnpacking gives the run the time that a default deadline has not for loading.
func (r *run) allowUnpacking(plan message.Unpacked) {
	var bytes int64
	for _, l := range plan.Layers {
		bytes += l.Bytes
	}
	if extra := time.Duration(bytes/unpackRate) * time.Second; r.cfg.Timeout == 0 && extra > r.unpackTime {
		r.deadline = r.deadline.Add(extra - r.unpackTime)
		r.unpackTime = extra
	}
}

// imagesFor returns the images that h's engine is to have: by the host's own
// patterns, else by the rules for its roles, else all.
func (r *run) imagesFor(h *host) (images message.Indexes) {
	patterns := h.cfg.Preload
	if patterns == nil {
		for _, rule := range r.cfg.PreloadImages {
			if rule.Role == "" || slices.Contains(h.cfg.Roles, rule.Role) {
				patterns = append(patterns, rule.Pattern)
			}
		}
	}
	all := h.cfg.Preload == nil && len(r.cfg.PreloadImages) == 0
	for i, im := range r.set.Images {
		if all || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, im) }) {
			images.Add(i)
		}
	}
	return images
}

// matches reports whether a pattern is for an image: for the last part of its
// repository, for all of that, or with the tag.
func matches(pattern string, im store.Image) bool {
	return slices.ContainsFunc([]string{path.Base(im.Repository), im.Repository, im.Repository + ":" + im.Tag}, func(name string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil // flags and files refuse a bad one
	})
}

// warnOfUnused names the patterns that no image of the set matches: they are
// misspelt, or for another release.
func (r *run) warnOfUnused() {
	var patterns []string
	for _, rule := range r.cfg.PreloadImages {
		patterns = append(patterns, rule.Pattern)
	}
	for _, h := range r.hosts {
		patterns = append(patterns, h.cfg.Preload...)
	}
	slices.Sort(patterns)
	for _, p := range slices.Compact(patterns) {
		if !slices.ContainsFunc(r.set.Images, func(im store.Image) bool { return matches(p, im) }) {
			r.warn("preload: no image of the set matches %q", p)
		}
	}
}

// preload has every host's engine get its images, after the proof that they can be
// had there. A host that leans gets them through its own registry, or from where
// Kolla will have it pull.
func (r *run) preload(ctx context.Context) error {
	hosts := r.where(func(h *host) bool {
		return h.preload.images.Len() > 0 && h.preload.problem == nil && h.outcome != progress.Failed
	})
	defer r.sumUp("preload")()
	leaning := r.labels(func(h *host) bool { return h.outcome == progress.Central || h.bypasses })
	r.eachPreload(ctx, "preload", hosts, func(ctx context.Context, h *host) error {
		h.preload.registry = r.kollasRegistry(h, leaning)
		return r.preloadOn(ctx, h)
	})
	return nil
}

func (r *run) preloadOn(ctx context.Context, h *host) error {
	ctx, cancel := r.within(ctx, time.Until(r.deadline))
	defer cancel()
	req := message.Preload{SetID: r.set.ID, Images: h.preload.images, Registry: h.preload.registry}
	if err := h.call(ctx, message.CallPreload, req, &h.preload.done); err != nil {
		return err
	}
	faults := h.preload.done.Faults
	if len(faults) == 0 {
		return nil
	}
	return &message.Problem{
		Reason: message.ReasonEngine,
		Text:   fmt.Sprintf("%d images were not loaded, first %s: %s", len(faults), faults[0].Image, faults[0].Text),
	}
}

// kollasRegistry is the docker_registry that Kolla will have for h, as the drop-in
// says it.
func (r *run) kollasRegistry(h *host, leaning []string) string {
	central := strings.TrimPrefix(r.upstream.URL, "https://")
	switch {
	case r.cfg.Fallback == kolla.All && len(leaning) > 0,
		r.cfg.Fallback == kolla.PerHost && h.outcome == progress.Central:
		return central
	}
	return h.cfg.Listen.String()
}

// eachPreload is each for what does not touch a host's outcome.
func (r *run) eachPreload(ctx context.Context, name string, hosts []*host, do func(context.Context, *host) error) {
	r.each(ctx, name, hosts, func(ctx context.Context, h *host) error {
		err := do(ctx, h)
		if err == nil {
			return nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			err = interrupted(ctx)
		}
		h.preload.problem = problemOf(name, err)
		r.warn("%s: preload: %s", h.label(), h.preload.problem)
		return nil
	})
}
