package registry

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// serveCatalog lists the repositories of the current set and of the store.
func (h *handler) serveCatalog(w http.ResponseWriter, r *http.Request, v *view) error {
	p, err := parsePage(r)
	if err != nil {
		return err
	}
	stored, err := h.store.Repositories()
	if err != nil && !isNotExist(err) {
		return err
	}
	names := slices.Concat(v.repositories(), stored)
	slices.Sort(names)
	names = slices.Compact(names)
	writeJSON(w, http.StatusOK, "application/json", struct {
		Repositories []string `json:"repositories"`
	}{p.cut(w, "/v2/_catalog", names, strings.Compare)})
	return nil
}

// serveTags lists the tags of one repository.
func (h *handler) serveTags(w http.ResponseWriter, r *http.Request, v *view, rt route) error {
	p, err := parsePage(r)
	if err != nil {
		return err
	}
	tags, err := h.tagsOf(v, rt.repo)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{rt.repo, p.cut(w, "/v2/"+rt.repo+"/tags/list", tags, compareTags)})
	return nil
}

// tagsOf returns the tags of repo in the current set and in the store, in the
// order of compareTags.
func (h *handler) tagsOf(v *view, repo string) ([]string, error) {
	stored, err := h.store.Tags(repo)
	if err != nil && !isNotExist(err) {
		return nil, err
	}
	if err != nil && !v.hasRepository(repo) {
		return nil, notFound("NAME_UNKNOWN", "no such repository")
	}
	tags := slices.Concat(stored, v.tags[repo])
	slices.SortFunc(tags, compareTags)
	return slices.Compact(tags), nil
}

// compareTags is the specification's "lexical order (i.e. case-insensitive
// alphanumeric order)"; tags that differ in case only follow their bytes.
func compareTags(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}

// resolve returns the manifest that repo:tag names: what the current set says,
// else the store's own tag link (R9: an old link never overrides the set).
func (h *handler) resolve(v *view, repo, tag string) (store.Digest, error) {
	if d, ok := v.lookup(repo, tag); ok {
		return d, nil
	}
	d, err := h.store.ResolveTag(repo, tag)
	if isNotExist(err) {
		return "", notFound("MANIFEST_UNKNOWN", "no such tag in this repository")
	}
	return d, err
}
