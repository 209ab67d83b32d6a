package imageset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A resolver follows every tag of a bundle to all the blobs that it needs.
type resolver struct {
	im    *importer
	need  map[store.Digest]bool // blobs that were reached
	done  map[store.Digest]bool // manifests among them that are whole
	archs map[string]bool
	// runsOn are the architectures of what lies below a manifest, for whole ones.
	runsOn map[store.Digest]map[string]bool

	image   string   // repository:tag that is being followed
	indexes []index  // that were reached, in this order
	absent  []string // what may be absent and is, in words for the operator
}

// An index is a manifest whose children are checked again when all architectures
// of the bundle are known.
type index struct {
	image    string // that led to it
	manifest store.Manifest
}

func newResolver(im *importer) *resolver {
	return &resolver{im: im, need: make(map[store.Digest]bool),
		done: make(map[store.Digest]bool), archs: make(map[string]bool), runsOn: make(map[store.Digest]map[string]bool)}
}

func (r *resolver) resolveAll(ctx context.Context) error {
	if len(r.im.tags) == 0 && r.im.unwanted > 0 {
		return fmt.Errorf("%w: none of its %d images was asked for", ErrNotBundle, r.im.unwanted)
	}
	if len(r.im.tags) == 0 {
		return fmt.Errorf("%w: there is no image with a tag", ErrNotBundle)
	}
	if err := r.im.findAsked(); err != nil {
		return err
	}
	slices.SortFunc(r.im.tags, func(a, b store.Image) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
	for i, m := range r.im.tags {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.image = m.Repository + ":" + m.Tag
		if i > 0 && r.image == nameOf(r.im.tags[i-1]) && m.Manifest != r.im.tags[i-1].Manifest {
			return &RefusedError{Image: r.image, Blob: m.Manifest,
				Err: fmt.Errorf("%w: the other is %s", ErrConflict, r.im.tags[i-1].Manifest)}
		}
		if !r.im.revisions[revision{m.Repository, m.Manifest}] {
			return &RefusedError{Image: r.image, Blob: m.Manifest, Err: ErrNoRevision}
		}
		if bad, err := r.manifest(m.Manifest, 0); err != nil {
			return &RefusedError{Image: r.image, Blob: bad, Err: err}
		}
	}
	if err := r.prove(); err != nil {
		return err
	}
	r.noteMixture()
	return r.checkIndexes()
}

// checkIndexes refuses an index that lacks an image for an architecture which the
// bundle has images for.
func (r *resolver) checkIndexes() error {
	for _, x := range r.indexes {
		needs, absent := x.manifest.Needs(r.architectures(), r.has)
		for _, c := range needs {
			if !r.has(c.Digest) && r.im.opts.wantsPlatform(c.Platform) {
				return &RefusedError{Image: x.image, Blob: c.Digest,
					Err: fmt.Errorf("%w: it is the image for %s", ErrMissingBlob, printable(c.Platform.String()))}
			}
		}
		for _, c := range absent {
			if !r.im.opts.wantsPlatform(c.Platform) {
				continue
			}
			r.absent = append(r.absent, fmt.Sprintf("%s: the image for %s, %s, is not in the bundle",
				x.image, printable(c.Platform.String()), c.Digest))
		}
	}
	return nil
}

func (r *resolver) has(d store.Digest) bool {
	_, ok := r.im.blobs[d]
	return ok
}

// manifest takes a manifest and all below it. With an error it returns the blob
// that is to blame.
func (r *resolver) manifest(d store.Digest, depth int) (bad store.Digest, err error) {
	if r.done[d] {
		return "", nil
	}
	if depth > store.MaxIndexDepth {
		return d, fmt.Errorf("%w: indexes nested more than %d deep", store.ErrManifest, store.MaxIndexDepth)
	}
	if _, ok := r.im.blobs[d]; !ok {
		return d, ErrMissingBlob
	}
	raw, err := r.im.readBlob(d, store.MaxManifest)
	if err != nil {
		return d, err
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return d, err
	}
	if r.im.opts.RefuseForeign {
		if i := slices.IndexFunc(m.Layers, store.Descriptor.Foreign); i >= 0 {
			return m.Layers[i].Digest, ErrForeign
		}
	}
	if err := r.chosen(m); err != nil {
		return d, err
	}
	r.need[d] = true
	for _, c := range r.children(m) {
		if err := r.child(c); err != nil {
			return c.Digest, err
		}
		if m.IsIndex() {
			if bad, err := r.manifest(c.Digest, depth+1); err != nil {
				return bad, err
			}
		}
	}
	r.done[d] = true
	return "", r.config(d, m)
}

// chosen refuses an index that has nothing for any of the platforms asked for.
func (r *resolver) chosen(m store.Manifest) error {
	if !m.IsIndex() || len(r.im.opts.Platforms) == 0 || slices.ContainsFunc(m.Manifests, func(c store.Descriptor) bool {
		return r.im.opts.wantsPlatform(c.Platform) && r.has(c.Digest)
	}) {
		return nil
	}
	return fmt.Errorf("%w: it has no image for %v", ErrMissingBlob, r.im.opts.Platforms)
}

// children returns what a manifest needs, and notes what it lacks and may lack.
func (r *resolver) children(m store.Manifest) []store.Descriptor {
	// That an index lacks an image which it should have shows in the end.
	needs, absent := m.Needs(nil, r.has)
	if m.IsIndex() {
		r.indexes = append(r.indexes, index{r.image, m})
		return slices.DeleteFunc(needs, func(d store.Descriptor) bool { return !r.im.opts.wantsPlatform(d.Platform) })
	}
	for _, c := range absent {
		r.absent = append(r.absent, fmt.Sprintf("%s: the foreign layer %s is not in the bundle; engines fetch it from its own address",
			r.image, c.Digest))
	}
	return needs
}

// child checks that what a manifest refers to is there, as it says.
func (r *resolver) child(c store.Descriptor) error {
	size, ok := r.im.blobs[c.Digest]
	switch {
	case !ok:
		return ErrMissingBlob
	case size != c.Size:
		return fmt.Errorf("%w: it has %d bytes, the manifest says %d", store.ErrSizeMismatch, size, c.Size)
	}
	r.need[c.Digest] = true
	return nil
}

func (r *resolver) blobs() []store.Blob {
	list := make([]store.Blob, 0, len(r.need))
	for d := range r.need {
		list = append(list, store.Blob{Digest: d, Size: r.im.blobs[d]})
	}
	return list
}
