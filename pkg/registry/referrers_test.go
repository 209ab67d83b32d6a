package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

type index struct {
	SchemaVersion int
	MediaType     string
	Manifests     []referrer
}

func getIndex(t *testing.T, url string) (index, answer) {
	t.Helper()
	a := get(t, url)
	a.wantStatus(t, 200, "")
	a.wantHeader(t, "Content-Type", "application/vnd.oci.image.index.v1+json")
	var got index
	check(t, json.Unmarshal(a.body, &got))
	if got.SchemaVersion != 2 || got.MediaType != mediaTypeIndex || got.Manifests == nil {
		t.Errorf("got %s, want an image index with a list", a.body)
	}
	return got, a
}

// withReferrers returns a fixture with an image and two referrers to it: a tagged
// one with an artifactType, and one without, known through the tag schema only.
func withReferrers(t *testing.T) (f *fixture, subject store.Digest) {
	f = newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	subject = f.images[0].Manifest
	config := f.put([]byte("{}"))
	ref := map[string]any{"mediaType": store.MediaTypeOCIManifest, "digest": subject, "size": 1}
	tagged := f.manifest(store.MediaTypeOCIManifest, config, map[string]any{
		"subject": ref, "artifactType": "application/x.sbom", "annotations": map[string]string{"org.example": "1"}})
	f.name("kolla/a", "1-sbom", tagged)
	plain := f.manifest(store.MediaTypeOCIManifest, config, map[string]any{"subject": ref})
	stray := f.manifest(store.MediaTypeOCIManifest, config, map[string]any{"annotations": map[string]string{"no": "subject"}})
	var list []any
	for _, d := range []store.Digest{plain, stray} {
		list = append(list, map[string]any{"mediaType": store.MediaTypeOCIManifest, "digest": d, "size": len(f.content[d])})
	}
	raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": mediaTypeIndex, "manifests": list})
	check(t, err)
	f.name("kolla/a", "sha256-"+subject.Hex(), f.put(raw).Digest)
	return f, subject
}

// "Registries MUST include preexisting image manifests that are listed in an
// image index tagged with the referrers tag schema and have a valid subject
// field"; "the descriptors MUST include an artifactType field ... MUST include
// annotations".
func TestSpecReferrers(t *testing.T) {
	f, subject := withReferrers(t)
	url := start(t, f.whole()) + "/v2/kolla/a/referrers/" + string(subject)
	got, _ := getIndex(t, url)
	if len(got.Manifests) != 2 {
		t.Fatalf("got %+v, want two", got.Manifests)
	}
	types := map[string]string{}
	for _, m := range got.Manifests {
		types[m.ArtifactType] = m.Annotations["org.example"]
		if m.Size != int64(len(f.content[m.Digest])) || m.MediaType != store.MediaTypeOCIManifest {
			t.Errorf("got %+v", m)
		}
	}
	want := map[string]string{"application/x.sbom": "1", "application/vnd.docker.container.image.v1+json": ""}
	if fmt.Sprint(types) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", types, want)
	}
}

// "The registry SHOULD support filtering on artifactType"; then the response
// "MUST include a header OCI-Filters-Applied".
func TestSpecReferrersFilter(t *testing.T) {
	f, subject := withReferrers(t)
	url := start(t, f.whole()) + "/v2/kolla/a/referrers/" + string(subject)
	got, a := getIndex(t, url+"?artifactType=application/x.sbom")
	a.wantHeader(t, headerFilters, "artifactType")
	if len(got.Manifests) != 1 || got.Manifests[0].ArtifactType != "application/x.sbom" {
		t.Errorf("got %+v", got.Manifests)
	}
	if got, _ := getIndex(t, url+"?artifactType=none"); len(got.Manifests) != 0 {
		t.Errorf("got %+v", got.Manifests)
	}
	_, a = getIndex(t, url)
	a.wantHeader(t, headerFilters, "")
}

// "If a query results in no matching referrers, an empty manifest list MUST be
// returned"; the registry "MUST NOT return a 404"; an invalid digest is 400.
func TestSpecReferrersEmptyAndInvalid(t *testing.T) {
	f, _ := withReferrers(t)
	base := start(t, f.whole())
	for _, path := range []string{"kolla/a/referrers/" + unknownDigest, "kolla/no/referrers/" + unknownDigest,
		"kolla/a/referrers/sha512:" + strings.Repeat("0", 128)} {
		if got, _ := getIndex(t, base+"/v2/"+path); len(got.Manifests) != 0 {
			t.Errorf("%s: got %+v", path, got.Manifests)
		}
	}
	get(t, base+"/v2/kolla/a/referrers/sha256:1").wantStatus(t, 400, "DIGEST_INVALID")
	get(t, base+"/v2/kolla/a/referrers/latest").wantStatus(t, 400, "DIGEST_INVALID")
}

// "A Link header MUST be included in the response when the descriptor list
// cannot be returned in a single manifest."
func TestSpecReferrersPages(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	subject, config := f.images[0].Manifest, f.put([]byte("{}"))
	for i := range 5 { // 5 x 1.2 MB of annotations in pages of 4 MiB
		d := f.manifest(store.MediaTypeOCIManifest, config, map[string]any{
			"subject":     map[string]any{"mediaType": "x", "digest": subject, "size": 1},
			"annotations": map[string]string{"x": strings.Repeat(fmt.Sprint(i), 1_200_000)}})
		f.name("kolla/a", fmt.Sprint("r", i), d)
	}
	base := start(t, f.whole())
	seen := map[store.Digest]bool{}
	next, pages := "/v2/kolla/a/referrers/"+string(subject), 0
	for ; next != "" && pages < 9; pages++ {
		got, a := getIndex(t, base+next)
		if len(a.body) > maxReferrers {
			t.Errorf("got a page of %d bytes", len(a.body))
		}
		for _, m := range got.Manifests {
			seen[m.Digest] = true
		}
		next = strings.TrimPrefix(strings.TrimSuffix(a.Header.Get("Link"), `>; rel="next"`), "<")
	}
	if len(seen) != 5 || pages != 2 {
		t.Errorf("got %d referrers on %d pages, want 5 on 2", len(seen), pages)
	}
}
