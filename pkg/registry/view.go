package registry

import (
	"errors"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A view is the current set as requests ask about it. It is not changed after
// it was made; the zero value is the view of a store without a set.
type view struct {
	set  *store.Set // nil when there is none
	mode store.Mode
	tags map[string][]string // by repository
}

func newView(set *store.Set, mode store.Mode) *view {
	v := &view{set: set, mode: mode, tags: make(map[string][]string)}
	for _, img := range set.Images {
		v.tags[img.Repository] = append(v.tags[img.Repository], img.Tag)
	}
	return v
}

// hasRepository reports whether an image of the set is in repo.
func (v *view) hasRepository(repo string) bool {
	_, ok := v.tags[repo]
	return ok
}

// blob returns what the set says about d.
func (v *view) blob(d store.Digest) (store.Blob, bool) {
	if v.set == nil {
		return store.Blob{}, false
	}
	return v.set.Has(d)
}

// lookup returns the manifest that the set names repo:tag.
func (v *view) lookup(repo, tag string) (store.Digest, bool) {
	if v.set == nil {
		return "", false
	}
	return v.set.Lookup(repo, tag)
}

// repositories returns the names of the set's repositories, sorted.
func (v *view) repositories() []string {
	names := make([]string, 0, len(v.tags))
	for name := range v.tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// current returns the view of the set that the store serves now. The store
// looks at its pointer file each time, so that a switch of sets is seen by the
// next request.
func (h *handler) current() (*view, error) {
	set, mode, err := h.store.Current()
	if errors.Is(err, store.ErrNoSet) {
		return &view{}, nil
	}
	if err != nil {
		return nil, err
	}
	if v := h.view.Load(); v != nil && v.set.ID == set.ID && v.mode == mode {
		return v, nil
	}
	v := newView(set, mode)
	h.view.Store(v)
	return v, nil
}
