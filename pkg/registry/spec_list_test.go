package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// What the OCI distribution specification v1.1.1 says that a registry MUST and SHOULD
// do for pulls and content discovery, and which test asks for it:
//
//	Determining Support (end-1)
//	  GET /v2/ is 200                                            TestSpecBaseAnswers200
//	Pull (end-2, end-3)
//	  names and tags match their expressions                     TestSpecNamesAtTheirLimits
//	  a manifest is 200, whole, by tag and by digest             TestSpecManifestByTagAndDigest
//	  its Content-Type is what was pushed, without parameters    TestSpecManifestByTagAndDigest
//	  it carries Docker-Content-Digest                           TestSpecManifestByTagAndDigest
//	  a manifest that is not there is 404                        TestSpecUnknownManifestIs404
//	  a blob is 200, whole, with Docker-Content-Digest           TestSpecBlob
//	  a blob that is not there is 404                            TestSpecUnknownBlobIs404
//	  Range by RFC 9110                                          TestSpecBlobRange, TestSpecRangesOfManifests
//	  HEAD is 200 with digest and Content-Length, or 404         TestSpecHeadIsGetWithoutItsBody and those above
//	Content Discovery (end-8)
//	  tags: 200, the JSON, lexical order, n, last, n=0, Link     TestSpecTags
//	  fewer than n only with Link, or when there are no more     TestSpecTagsBeyondAPage
//	Listing Referrers (end-12)
//	  an image index, its Content-Type, artifactType (or the
//	  config's type), annotations, those of the tag schema       TestSpecReferrers
//	  of an index without artifactType none is given             TestSpecReferrersOfIndexes
//	  none found: an empty list, never 404; invalid: 400         TestSpecReferrersEmptyAndInvalid
//	  filter by artifactType, OCI-Filters-Applied                TestSpecReferrersFilter
//	  Link where one answer does not hold all                    TestSpecReferrersPages
//	  the filter holds on each page                              TestSpecReferrersFilterOnEachPage
//	Error Codes, and what is not supported
//	  JSON errors have the form and codes of the list            TestSpecErrorBodies
//	  push and delete are refused by 405                         TestSpecWritesAre405

// "The response to such a request MAY return fewer than <int> results, but only when
// the total number of tags attached to the repository is less than <int> or a Link
// header is provided."
func TestSpecTagsBeyondAPage(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "t0", 10, 1)
	d := f.images[0].Manifest
	const tags = maxPage + 3
	for i := 1; i < tags; i++ {
		f.name("kolla/a", fmt.Sprint("t", i), d)
	}
	base := start(t, f.lean()) // the set's list alone has them
	seen, pages := map[string]bool{}, 0
	for next := fmt.Sprintf("/v2/kolla/a/tags/list?n=%d", 2*tags); next != "" && pages < 9; pages++ {
		a := get(t, base+next)
		a.wantStatus(t, 200, "")
		a.wantHeader(t, "Content-Type", "application/json")
		var got struct{ Tags []string }
		check(t, json.Unmarshal(a.body, &got))
		for _, tag := range got.Tags {
			seen[tag] = true
		}
		next = nextOf(a)
	}
	if len(seen) != tags || pages != 2 {
		t.Errorf("%d of %d tags on %d pages", len(seen), tags, pages)
	}
}

// nextOf is where an answer's Link leads.
func nextOf(a answer) string {
	return strings.TrimPrefix(strings.TrimSuffix(a.Header.Get("Link"), `>; rel="next"`), "<")
}

// "If the artifactType is empty or missing in an index, the artifactType MUST be
// omitted"; else it is the index's. "The descriptors MUST include annotations".
func TestSpecReferrersOfIndexes(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	subject := f.images[0].Manifest
	for tag, artifactType := range map[string]string{"with": "application/x.index", "without": ""} {
		index := map[string]any{"schemaVersion": 2, "mediaType": mediaTypeIndex, "manifests": []any{},
			"subject":     map[string]any{"mediaType": store.MediaTypeDockerManifest, "digest": subject, "size": 1},
			"annotations": map[string]string{"org.example": tag}}
		if artifactType != "" {
			index["artifactType"] = artifactType
		}
		raw, err := json.Marshal(index)
		check(t, err)
		f.name("kolla/a", tag, f.put(raw).Digest)
	}
	a := get(t, start(t, f.whole())+"/v2/kolla/a/referrers/"+string(subject))
	a.wantStatus(t, 200, "")
	var got struct{ Manifests []map[string]any }
	check(t, json.Unmarshal(a.body, &got))
	types := map[any]any{}
	for _, m := range got.Manifests {
		artifactType, isThere := m["artifactType"]
		if !isThere {
			artifactType = "omitted"
		}
		types[m["annotations"].(map[string]any)["org.example"]] = artifactType
		if m["mediaType"] != mediaTypeIndex {
			t.Errorf("got %v", m)
		}
	}
	if want := map[any]any{"with": "application/x.index", "without": "omitted"}; fmt.Sprint(types) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", types, want)
	}
}

// "If filtering is requested and applied, the response MUST include a header
// OCI-Filters-Applied": on the page that a Link leads to as well.
func TestSpecReferrersFilterOnEachPage(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	subject, config := f.images[0].Manifest, f.put([]byte("{}"))
	for i := range 10 { // 5 x 1.2 MB of annotations in pages of 4 MiB are wanted
		f.name("kolla/a", fmt.Sprint("r", i), f.manifest(store.MediaTypeOCIManifest, config, map[string]any{
			"subject":      map[string]any{"mediaType": "x", "digest": subject, "size": 1},
			"artifactType": fmt.Sprint("application/x.", i%2),
			"annotations":  map[string]string{"x": strings.Repeat(fmt.Sprint(i), 1_200_000)}}))
	}
	base := start(t, f.whole())
	found, pages := 0, 0
	for next := "/v2/kolla/a/referrers/" + string(subject) + "?artifactType=application/x.1"; next != "" && pages < 9; pages++ {
		got, a := getIndex(t, base+next)
		a.wantHeader(t, headerFilters, "artifactType")
		for _, m := range got.Manifests {
			if found++; m.ArtifactType != "application/x.1" {
				t.Errorf("got one of %s", m.ArtifactType)
			}
		}
		next = nextOf(a)
	}
	if found != 5 || pages != 2 {
		t.Errorf("%d referrers on %d pages, want 5 on 2", found, pages)
	}
}

// "If the response body is in JSON format, it MUST have the following format"; "the
// code MUST be a unique identifier, containing only uppercase alphabetic characters
// and underscores", and is one of the list.
func TestSpecErrorBodies(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	base := start(t, f.whole())
	codes := []string{"BLOB_UNKNOWN", "DIGEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNSUPPORTED"}
	plain := regexp.MustCompile(`^[A-Z_]+$`)
	seen := map[string]bool{}
	for _, request := range [][]string{
		{"GET", "/v2/kolla/a/manifests/2"}, {"GET", "/v2/kolla/a/blobs/" + unknownDigest}, {"GET", "/v2/kolla/a/blobs/sha256:zz"},
		{"GET", "/v2/kolla//a/tags/list"}, {"GET", "/v2/kolla/no/tags/list"}, {"GET", "/v2/kolla/a/tags/list?n=x"},
		{"DELETE", "/v2/kolla/a/manifests/1"}, {"GET", "/v2/kolla/a/blobs/" + string(layer.Digest), "Range", "bytes=5000-"},
		{"GET", "/v2/kolla/a/other/1"}, {"GET", "/v2/kolla/a/referrers/latest"},
	} {
		req, err := http.NewRequest(request[0], base+request[1], nil)
		check(t, err)
		if len(request) > 2 {
			req.Header.Set(request[2], request[3])
		}
		res, err := http.DefaultClient.Do(req)
		check(t, err)
		var body struct {
			Errors []struct {
				Code    string
				Message string
				Detail  any
			}
		}
		decoder := json.NewDecoder(res.Body)
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&body)
		res.Body.Close()
		if err != nil || len(body.Errors) != 1 || res.StatusCode < 400 || res.StatusCode > 499 {
			t.Errorf("%v: %s, %+v, %v", request, res.Status, body, err)
			continue
		}
		e := body.Errors[0]
		if seen[e.Code] = true; !plain.MatchString(e.Code) || !slices.Contains(codes, e.Code) || e.Message == "" {
			t.Errorf("%v: %+v", request, e)
		}
		if got := res.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%v: Content-Type %q", request, got)
		}
	}
	if len(seen) != len(codes) {
		t.Errorf("only %v were asked for", seen)
	}
}
