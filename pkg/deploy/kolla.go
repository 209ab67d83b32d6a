package deploy

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// configureKolla writes the drop-in that points Kolla at the hosts' registries
// (R13), and says what in the operator's files stands against it. When every host
// failed, Kolla is left as it is.
func (r *run) configureKolla(_ context.Context) error {
	r.precheck()
	if r.cfg.GlobalsDir == "" {
		return nil
	}
	if len(r.where(func(h *host) bool { return h.outcome != progress.Failed || h.bypasses })) == 0 {
		r.warn("every host failed: the drop-in for Kolla is not written")
		return nil
	}
	images, warnings, err := kolla.FromSet(r.imageRefs(), kolla.Release{Branch: r.set.Release.Branch, Tag: r.set.Release.Tag})
	if err != nil {
		r.warn("the drop-in for Kolla is not written: %v", err)
		return nil
	}
	d := kolla.DropIn{
		Namespace:       images.Namespace,
		Tag:             images.Tag,
		ReleaseVariable: images.ReleaseVariable,
		Fallback:        r.cfg.Fallback,
		Central:         strings.TrimPrefix(r.upstream.URL, "https://"),
		Leaning:         r.labels(func(h *host) bool { return h.outcome == progress.Central }),
		Bypassing:       r.labels(func(h *host) bool { return h.bypasses }),
	}
	if r.cfg.Partial {
		d = r.keepOthers(d)
	}
	content, err := kolla.Render(d)
	if err != nil {
		return fmt.Errorf("making the drop-in for Kolla: %w", err)
	}
	// Without a globals.yml there are only the files of globals.d.
	findings, err := kolla.Check(cmp.Or(r.cfg.GlobalsFile, os.DevNull), r.cfg.GlobalsDir, d, images)
	if err != nil {
		r.warn("%v", err)
	}
	for _, f := range findings {
		warnings = append(warnings, f.String())
	}
	change, err := kolla.Write(r.cfg.GlobalsDir, content)
	if err != nil {
		r.warn("the drop-in for Kolla is not written: %v", err)
		return nil
	}
	r.report.DropIn = &DropIn{Path: change.Path, Action: string(change.Action)}
	for _, w := range append(warnings, change.Notice()) {
		if w != "" {
			r.warn("%s", w)
		}
	}
	return nil
}

// keepOthers leaves what the drop-in says of hosts that this run is not for.
func (r *run) keepOthers(d kolla.DropIn) kolla.DropIn {
	earlier, ok, err := kolla.Read(r.cfg.GlobalsDir)
	if err != nil || !ok {
		return d // Write says what is wrong
	}
	var known []string
	for _, h := range r.hosts {
		known = append(known, h.label())
	}
	return d.Keeping(earlier, known)
}

// precheck names the hosts of Kolla's inventory where nothing of ours answers on
// the address that the drop-in gives to all (R14).
func (r *run) precheck() {
	if r.cfg.KollaInventory == nil {
		return
	}
	var served []string
	for _, h := range r.hosts {
		if h.outcome != progress.Failed {
			served = append(served, h.name, h.address())
		}
	}
	unserved, err := kolla.Precheck(r.cfg.KollaInventory, served)
	if err != nil {
		r.warn("%v", err)
	}
	for _, u := range unserved {
		r.warn("%s is in Kolla's inventory and has no registry on %s", u.Name, kolla.LocalRegistry)
	}
}

func (r *run) imageRefs() []kolla.ImageRef {
	refs := make([]kolla.ImageRef, 0, len(r.set.Images))
	for _, im := range r.set.Images {
		refs = append(refs, kolla.ImageRef{Repository: im.Repository, Tag: im.Tag})
	}
	return refs
}

// labels are the names of the hosts for which keep holds, as Ansible knows them.
func (r *run) labels(keep func(*host) bool) []string {
	var names []string
	for _, h := range r.where(keep) {
		names = append(names, h.label())
	}
	return names
}
