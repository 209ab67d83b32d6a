package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const mediaTypeIndex = "application/vnd.oci.image.index.v1+json"

// A referrer is a descriptor in the answer about a subject (distribution
// specification, "Listing Referrers").
type referrer struct {
	MediaType    string            `json:"mediaType"`
	Size         int64             `json:"size"` // bytes
	Digest       store.Digest      `json:"digest"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// serveReferrers lists the manifests whose subject is rt.digest, in the order of
// their digests: those that carry a tag, and those that the subject's index of
// the referrers tag schema lists.
func (h *handler) serveReferrers(w http.ResponseWriter, r *http.Request, v *view, rt route) error {
	leave, err := h.enter(r)
	if err != nil {
		return err
	}
	defer leave()
	found, err := h.referrersOf(r.Context(), v, rt, isHop(r))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if wanted := q.Get("artifactType"); wanted != "" {
		found = slices.DeleteFunc(found, func(f referrer) bool { return f.ArtifactType != wanted })
		w.Header().Set(headerFilters, "artifactType")
	}
	found = after(found, store.Digest(q.Get("last")))
	if n := fitting(found); n < len(found) {
		found = found[:n]
		q.Set("last", string(found[n-1].Digest))
		setNext(w, r.URL.Path, q)
	}
	writeJSON(w, http.StatusOK, mediaTypeIndex, struct {
		SchemaVersion int        `json:"schemaVersion"`
		MediaType     string     `json:"mediaType"`
		Manifests     []referrer `json:"manifests"`
	}{2, mediaTypeIndex, append([]referrer{}, found...)})
	return nil
}

// referrersOf returns the referrers of rt.digest, sorted by digest.
func (h *handler) referrersOf(ctx context.Context, v *view, rt route, hop bool) ([]referrer, error) {
	candidates, err := h.candidates(ctx, v, rt, hop)
	if err != nil {
		return nil, err
	}
	var found []referrer
	for _, d := range candidates {
		m, err := h.readManifest(ctx, v, rt.repo, d, hop)
		if isUnknown(err) {
			continue // an index may list what is not here
		}
		if err != nil {
			return nil, err
		}
		if s := m.parsed.Subject; s != nil && s.Digest == rt.digest {
			found = append(found, describe(m))
		}
	}
	return found, nil
}

// candidates returns the digests of the repository's tagged manifests and of
// those in the index tagged sha256-<hex> ("Referrers Tag Schema"), sorted.
func (h *handler) candidates(ctx context.Context, v *view, rt route, hop bool) ([]store.Digest, error) {
	tags, err := h.tagsOf(v, rt.repo)
	if isUnknown(err) || rt.digest == "" {
		return nil, nil // the specification: never 404 here
	}
	if err != nil {
		return nil, err
	}
	var all []store.Digest
	for _, tag := range tags {
		d, err := h.resolve(v, rt.repo, tag)
		if isUnknown(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
		if tag != "sha256-"+rt.digest.Hex() {
			continue
		}
		m, err := h.readManifest(ctx, v, rt.repo, d, hop)
		if err != nil && !isUnknown(err) {
			return nil, err
		}
		if err == nil {
			for _, child := range m.parsed.Manifests {
				all = append(all, child.Digest)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// describe makes the descriptor of a manifest that has a subject.
func describe(m *manifest) referrer {
	r := referrer{
		MediaType:    m.parsed.MediaType,
		Size:         int64(len(m.raw)),
		Digest:       m.digest,
		ArtifactType: m.parsed.ArtifactType,
		Annotations:  m.parsed.Annotations,
	}
	if r.ArtifactType == "" && m.parsed.Config != nil {
		r.ArtifactType = m.parsed.Config.MediaType
	}
	return r
}

// after returns the part of sorted that follows last.
func after(sorted []referrer, last store.Digest) []referrer {
	i := slices.IndexFunc(sorted, func(r referrer) bool { return r.Digest > last })
	if i < 0 {
		return nil
	}
	return sorted[i:]
}

// fitting returns how many of list go into one index, at least one.
func fitting(list []referrer) int {
	size := 0
	for i, r := range list {
		raw, _ := json.Marshal(r)
		if size += len(raw) + 1; size > maxReferrers-1024 && i > 0 {
			return i
		}
	}
	return len(list)
}

// isUnknown reports whether err is an answer 404.
func isUnknown(err error) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}
