package imageset

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
}

func newResolver(im *importer) *resolver {
	return &resolver{im: im, need: make(map[store.Digest]bool),
		done: make(map[store.Digest]bool), archs: make(map[string]bool)}
}

func (r *resolver) resolveAll(ctx context.Context) error {
	if len(r.im.tags) == 0 {
		return fmt.Errorf("%w: there is no tag under %s", ErrNotBundle, store.RegistryRoot)
	}
	slices.SortFunc(r.im.tags, func(a, b store.Image) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
	for _, m := range r.im.tags {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !r.im.revisions[revision{m.Repository, m.Manifest}] {
			return &RefusedError{Image: m.Repository + ":" + m.Tag, Blob: m.Manifest, Err: ErrNoRevision}
		}
		if bad, err := r.manifest(m.Manifest, 0); err != nil {
			return &RefusedError{Image: m.Repository + ":" + m.Tag, Blob: bad, Err: err}
		}
	}
	return nil
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
	raw, err := r.im.st.ReadBlob(d, store.MaxManifest)
	if err != nil {
		return d, err
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return d, err
	}
	r.need[d] = true
	for _, c := range m.Children() {
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
	return "", r.config(m)
}

// child checks that what a manifest refers to is there, as it says.
func (r *resolver) child(c store.Descriptor) error {
	size, ok := r.im.blobs[c.Digest]
	switch {
	case !ok && c.Foreign():
		return fmt.Errorf("%w: it is a foreign layer, which engines would fetch from elsewhere", ErrMissingBlob)
	case !ok:
		return ErrMissingBlob
	case size != c.Size:
		return fmt.Errorf("%w: it has %d bytes, the manifest says %d", store.ErrSizeMismatch, size, c.Size)
	}
	r.need[c.Digest] = true
	return nil
}

// config reads the architecture of an image. Other artifacts have none.
func (r *resolver) config(m store.Manifest) error {
	if m.Config == nil || m.Config.MediaType != store.MediaTypeDockerConfig && m.Config.MediaType != store.MediaTypeOCIConfig {
		return nil
	}
	raw, err := r.im.st.ReadBlob(m.Config.Digest, maxConfig)
	if err != nil {
		return err
	}
	var config struct {
		Architecture string `json:"architecture"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return fmt.Errorf("config %s: %w: %w", m.Config.Digest, store.ErrManifest, err)
	}
	// An attestation inside an index says "unknown".
	if a := config.Architecture; a != "" && a != "unknown" {
		r.archs[a] = true
	}
	return nil
}

func (r *resolver) blobs() []store.Blob {
	list := make([]store.Blob, 0, len(r.need))
	for d := range r.need {
		list = append(list, store.Blob{Digest: d, Size: r.im.blobs[d]})
	}
	return list
}

func (r *resolver) architectures() []string { return slices.Sorted(maps.Keys(r.archs)) }
