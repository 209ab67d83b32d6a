package registry

import (
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A kind is one of the registry's endpoints.
type kind uint8

const (
	kindBase      kind = iota + 1 // /v2/
	kindCatalog                   // /v2/_catalog
	kindTags                      // /v2/<name>/tags/list
	kindManifest                  // /v2/<name>/manifests/<tag or digest>
	kindBlob                      // /v2/<name>/blobs/<digest>
	kindReferrers                 // /v2/<name>/referrers/<digest>
)

// A route is a request's path, taken apart and checked: whatever reaches the
// store afterwards fits the specification's grammar and thus names no file
// outside it.
type route struct {
	kind   kind
	repo   string
	tag    string       // of a manifest, or ""
	digest store.Digest // of a manifest, blob or subject, or ""
}

// parseRoute takes path, which begins with /v2, apart.
func parseRoute(path string) (route, error) {
	switch path {
	case "/v2", "/v2/":
		return route{kind: kindBase}, nil
	case "/v2/_catalog":
		return route{kind: kindCatalog}, nil
	}
	rest, ref, _ := cutLast(strings.TrimPrefix(path, "/v2/"))
	repo, part, ok := cutLast(rest)
	if !ok {
		return route{}, notFound("NAME_UNKNOWN", "no such endpoint")
	}
	r := route{repo: repo}
	if err := r.refer(part, ref); err != nil {
		return route{}, err
	}
	if !store.ValidRepository(repo) {
		return route{}, badRequest("NAME_INVALID", "not a repository name")
	}
	return r, nil
}

// refer sets what the last two elements of a path mean.
func (r *route) refer(part, ref string) error {
	switch part {
	case "tags":
		r.kind = kindTags
		if ref != "list" {
			return notFound("NAME_UNKNOWN", "no such endpoint")
		}
		return nil
	case "manifests":
		r.kind = kindManifest
		if !strings.Contains(ref, ":") {
			r.tag = ref
			if !store.ValidTag(ref) { // the specification: 404, as for any tag that is not there
				return notFound("MANIFEST_UNKNOWN", "not a tag")
			}
			return nil
		}
		return r.setDigest(ref, "MANIFEST_UNKNOWN")
	case "blobs":
		r.kind = kindBlob
		return r.setDigest(ref, "BLOB_UNKNOWN")
	case "referrers":
		r.kind = kindReferrers
		return r.setDigest(ref, "")
	}
	return notFound("NAME_UNKNOWN", "no such endpoint")
}

// setDigest takes ref as a digest. One of another algorithm is well formed but
// names nothing here: unknown is the code for it, or "" where that is fine.
func (r *route) setDigest(ref, unknown string) error {
	d, err := store.ParseDigest(ref)
	if err == nil {
		r.digest = d
		return nil
	}
	if isOtherDigest(ref) {
		if unknown == "" {
			return nil
		}
		return notFound(unknown, "this registry has sha256 digests only")
	}
	return &apiError{status: 400, code: "DIGEST_INVALID", message: "not a digest", err: err}
}

// isOtherDigest reports whether s is a digest of an algorithm other than sha256
// (OCI image specification, descriptor.md, "Digests").
func isOtherDigest(s string) bool {
	algorithm, encoded, ok := strings.Cut(s, ":")
	if !ok || algorithm == "" || algorithm == "sha256" || encoded == "" || len(s) > 512 {
		return false
	}
	const lower, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
	if strings.Trim(algorithm, lower+digits+"+._-") != "" {
		return false
	}
	return strings.Trim(encoded, lower+strings.ToUpper(lower)+digits+"=_-") == ""
}

// cutLast cuts s at its last slash.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
