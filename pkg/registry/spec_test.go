package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// The tests of this file carry the words of the OCI distribution specification
// v1.1.1, sections "Pull" and "Content Discovery"; spec_list_test.go says which test
// asks for what.

const unknownDigest = "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

func TestSpecBaseAnswers200(t *testing.T) {
	base := start(t, newFixture(t).whole())
	for _, path := range []string{"/v2/", "/v2"} {
		a := get(t, base+path)
		a.wantStatus(t, 200, "")
		a.wantHeader(t, headerVersion, "registry/2.0")
		a.wantHeader(t, "Content-Type", "application/json")
	}
}

func TestEveryAnswerCarriesVersionAndIdentity(t *testing.T) {
	base := start(t, newFixture(t).whole())
	for _, path := range []string{"/", "/v2/", "/healthz", "/v2/_catalog", "/v2/no/tags/list", "/v2/..%2f/blobs/x"} {
		a := get(t, base+path)
		a.wantHeader(t, headerVersion, "registry/2.0")
		a.wantHeader(t, headerIdentity, testIdentity)
	}
}

// "A GET request to an existing manifest URL MUST provide the expected manifest,
// with a response code that MUST be 200 OK", by tag and by digest, with its own
// media type without parameters, digest and length.
func TestSpecManifestByTagAndDigest(t *testing.T) {
	f := newFixture(t)
	img := f.random("kolla/centos-binary-keystone", "6.0.0", 100, 2)
	raw, _ := img.RawManifest()
	mediaType, _ := img.MediaType()
	d := store.DigestOf(raw)
	base := start(t, f.whole())
	for _, method := range []string{"GET", "HEAD"} {
		for _, ref := range []string{"6.0.0", string(d)} {
			a := request(t, method, base+"/v2/kolla/centos-binary-keystone/manifests/"+ref, "Accept", "text/odd")
			a.wantStatus(t, 200, "")
			a.wantHeader(t, "Content-Type", string(mediaType))
			a.wantHeader(t, headerDigest, string(d))
			a.wantHeader(t, "Content-Length", fmt.Sprint(len(raw)))
			a.wantHeader(t, headerSource, SourceStore)
			if method == "GET" && !bytes.Equal(a.body, raw) {
				t.Errorf("got %q, want %q", a.body, raw)
			}
		}
	}
}

// "If the manifest is not found in the repository, the response code MUST be
// 404 Not Found." Also for what is no tag at all, for a repository that is not
// there, for another algorithm and for a digest that is not a manifest's.
func TestSpecUnknownManifestIs404(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	other := newFixture(t)
	other.random("kolla/b", "1", 10, 1)
	base := start(t, f.whole())
	for _, path := range []string{
		"kolla/a/manifests/2", "kolla/a/manifests/.INVALID_MANIFEST_NAME", "kolla/a/manifests/" + unknownDigest,
		"kolla/no/manifests/1", "kolla/no/manifests/" + string(f.images[0].Manifest),
		"kolla/a/manifests/sha512:" + strings.Repeat("0", 128),
		"kolla/a/manifests/" + string(layer.Digest),
	} {
		for _, method := range []string{"GET", "HEAD"} {
			request(t, method, base+"/v2/"+path).wantStatus(t, 404, "MANIFEST_UNKNOWN")
		}
	}
}

// "A GET request to an existing blob URL MUST provide the expected blob, with a
// response code that MUST be 200 OK. A successful response SHOULD contain the
// digest"; HEAD "SHOULD contain the size".
func TestSpecBlob(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 100_000)
	base := start(t, f.whole())
	for _, method := range []string{"GET", "HEAD"} {
		a := request(t, method, base+"/v2/kolla/a/blobs/"+string(layer.Digest))
		a.wantStatus(t, 200, "")
		a.wantHeader(t, "Content-Type", "application/octet-stream")
		a.wantHeader(t, headerDigest, string(layer.Digest))
		a.wantHeader(t, "Content-Length", "100000")
		a.wantHeader(t, "ETag", `"`+string(layer.Digest)+`"`)
		a.wantHeader(t, "Accept-Ranges", "bytes")
		a.wantHeader(t, headerSource, SourceStore)
		if method == "GET" && store.DigestOf(a.body) != layer.Digest {
			t.Error("the body is not the blob")
		}
	}
}

// "If the blob is not found in the repository, the response code MUST be 404."
func TestSpecUnknownBlobIs404(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	base := start(t, f.whole())
	for _, path := range []string{
		"kolla/a/blobs/" + unknownDigest, "kolla/no/blobs/" + string(layer.Digest), "kolla/a/blobs/sha512:" + strings.Repeat("0", 128),
	} {
		for _, method := range []string{"GET", "HEAD"} {
			request(t, method, base+"/v2/"+path).wantStatus(t, 404, "BLOB_UNKNOWN")
		}
	}
	get(t, base+"/v2/kolla/a/blobs/sha256:zz").wantStatus(t, 400, "DIGEST_INVALID")
}

// "A registry SHOULD support the Range request header in accordance with RFC 9110."
func TestSpecBlobRange(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	body := f.content[layer.Digest]
	url := start(t, f.whole()) + "/v2/kolla/a/blobs/" + string(layer.Digest)
	for _, tt := range []struct {
		header string
		want   []byte
		span   string
	}{
		{"bytes=0-0", body[:1], "bytes 0-0/1000"},
		{"bytes=100-", body[100:], "bytes 100-999/1000"},
		{"bytes=-10", body[990:], "bytes 990-999/1000"},
		{"bytes=10-5000", body[10:], "bytes 10-999/1000"},
	} {
		a := get(t, url, "Range", tt.header)
		a.wantStatus(t, 206, "")
		a.wantHeader(t, "Content-Range", tt.span)
		if !bytes.Equal(a.body, tt.want) {
			t.Errorf("%s: got %d bytes, want %d others", tt.header, len(a.body), len(tt.want))
		}
	}
	a := get(t, url, "Range", "bytes=1000-")
	a.wantStatus(t, 416, "SIZE_INVALID")
	a.wantHeader(t, "Content-Range", "bytes */1000")
	get(t, url, "Range", "lines=1-2").wantStatus(t, 200, "") // "MUST ignore" a unit that is not known
	a = get(t, url, "Range", "bytes=0-0,998-999")
	a.wantStatus(t, 206, "")
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges") || !bytes.Contains(a.body, body[998:]) {
		t.Errorf("two ranges: got %s, %q", a.Header.Get("Content-Type"), a.body)
	}
	get(t, url, "Range", "bytes=0-9", "If-Range", `"another"`).wantStatus(t, 200, "")
	get(t, url, "If-None-Match", `"`+string(layer.Digest)+`"`).wantStatus(t, 304, "")
}

// "If the list is not empty, the tags MUST be in lexical order (i.e.
// case-insensitive alphanumeric order)"; the list is empty for n=0, without Link.
func TestSpecTags(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1.0", 10, 1)
	d := f.images[0].Manifest
	for _, tag := range []string{"Beta", "alpha", "gamma", "ALPHA", "delta"} {
		f.name("kolla/a", tag, d)
	}
	url := start(t, f.whole()) + "/v2/kolla/a/tags/list"
	for _, tt := range []struct {
		query, want, link string
	}{
		{"", "1.0 ALPHA alpha Beta delta gamma", ""},
		{"?n=0", "", ""},
		{"?n=2", "1.0 ALPHA", `</v2/kolla/a/tags/list?last=ALPHA&n=2>; rel="next"`},
		{"?n=2&last=ALPHA", "alpha Beta", `</v2/kolla/a/tags/list?last=Beta&n=2>; rel="next"`},
		{"?n=2&last=Beta", "delta gamma", ""},
		{"?last=delta", "gamma", ""},
		{"?last=b", "Beta delta gamma", ""}, // need not be there
		{"?n=100", "1.0 ALPHA alpha Beta delta gamma", ""},
		{"?last=gamma", "", ""},
	} {
		a := get(t, url+tt.query)
		a.wantStatus(t, 200, "")
		a.wantHeader(t, "Link", tt.link)
		var got struct {
			Name string
			Tags []string
		}
		if err := json.Unmarshal(a.body, &got); err != nil || got.Tags == nil {
			t.Errorf("%s: got %s (%v), want a list", tt.query, a.body, err)
		}
		if got.Name != "kolla/a" || strings.Join(got.Tags, " ") != tt.want {
			t.Errorf("%q: got %+v, want %q", tt.query, got, tt.want)
		}
	}
	for _, n := range []string{"-1", "x", "1e3", "99999999999999999999"} {
		get(t, url+"?n="+n).wantStatus(t, 400, "UNSUPPORTED")
	}
	get(t, strings.Replace(url, "kolla/a", "kolla/no", 1)).wantStatus(t, 404, "NAME_UNKNOWN")
}

func TestCatalogPages(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/b", "1", 10, 1)
	f.name("kolla/a", "1", f.images[0].Manifest)
	f.name("kolla/c/d", "1", f.images[0].Manifest)
	base := start(t, f.whole())
	var got []string
	next := "/v2/_catalog?n=1"
	for pages := 0; next != "" && pages < 9; pages++ {
		a := get(t, base+next)
		a.wantStatus(t, 200, "")
		var page struct{ Repositories []string }
		check(t, json.Unmarshal(a.body, &page))
		got = append(got, page.Repositories...)
		next = strings.TrimPrefix(strings.TrimSuffix(a.Header.Get("Link"), `>; rel="next"`), "<")
	}
	if want := []string{"kolla/a", "kolla/b", "kolla/c/d"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmptyStoreAnswers(t *testing.T) {
	st, err := store.Open(t.TempDir() + "/none")
	check(t, err)
	base := start(t, st)
	if a := get(t, base+"/v2/_catalog"); string(a.body) != `{"repositories":[]}` {
		t.Errorf("got %s", a.body)
	}
	get(t, base+"/v2/kolla/a/manifests/1").wantStatus(t, 404, "MANIFEST_UNKNOWN")
	if a := get(t, base+"/healthz"); string(a.body) != `{"status":"ok","mode":"none"}` {
		t.Errorf("got %s", a.body)
	}
}

// Deleting or pushing "MUST respond with either a 400 Bad Request or a 405
// Method Not Allowed" where it is disabled.
func TestSpecWritesAre405(t *testing.T) {
	base := start(t, newFixture(t).whole())
	for method, path := range map[string]string{
		"POST": "/v2/kolla/a/blobs/uploads/", "PATCH": "/v2/kolla/a/blobs/uploads/1", "PUT": "/v2/kolla/a/manifests/1",
		"DELETE": "/v2/kolla/a/manifests/1", "OPTIONS": "/v2/", "TRACE": "/",
	} {
		a := request(t, method, base+path)
		a.wantStatus(t, 405, "UNSUPPORTED")
		a.wantHeader(t, "Allow", "GET, HEAD")
	}
}

// Names are checked before they reach the disk: no listing, no way out (T13).
func TestT13NoPathEscape(t *testing.T) {
	f := newFixture(t)
	f.random("kolla/a", "1", 10, 1)
	h := New(Config{Store: f.whole()})
	for _, path := range []string{
		"/v2/../../etc/passwd", "/v2/..%2f..%2fetc/blobs/" + unknownDigest, "/v2/kolla/a/manifests/..%2f..%2f..%2fcurrent",
		"/v2/kolla//a/tags/list", "/v2//tags/list", "/v2/kolla/_manifests/tags/list", "/v2/KOLLA/a/tags/list",
		"/v2/kolla/a/blobs/", "/v2/kolla/a/blobs/uploads/", "/v2/kolla/a/blobs/sha256:..%2f..%2f..", "/v2/kolla/a%00/tags/list",
		"/v2/kolla/a/", "/v2/kolla", "/docker/registry/v2/", "/v2/kolla/a/tags/list/", "/v2/kolla/a/tags/other",
		"/v2/" + strings.Repeat("a", 300) + "/tags/list", "/v2/kolla/a/manifests/" + strings.Repeat("a", 129), "/v3/", "/v2x/",
	} {
		req, err := http.NewRequest("GET", "http://x"+path, nil)
		check(t, err)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 404 && w.Code != 400 {
			t.Errorf("%s: got status %d (%s)", path, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "<a ") {
			t.Errorf("%s: got a listing", path)
		}
	}
}

// HEAD answers as GET does, without a body: the same status and headers, for what
// is there and for what is not (RFC 9110, section 9.3.2; end-2, end-3).
func TestSpecHeadIsGetWithoutItsBody(t *testing.T) {
	f := newFixture(t)
	layer := f.big("kolla/a", "1", 1000)
	manifest := f.images[0].Manifest
	base := start(t, f.whole())
	for _, path := range []string{
		"/v2/", "/v2/_catalog", "/v2/kolla/a/tags/list", "/v2/kolla/a/tags/list?n=0", "/v2/kolla/a/manifests/1",
		"/v2/kolla/a/manifests/" + string(manifest), "/v2/kolla/a/blobs/" + string(layer.Digest),
		"/v2/kolla/a/referrers/" + string(manifest), "/healthz", "/v2/kolla/a/manifests/2", "/v2/kolla/a/blobs/" + unknownDigest,
		"/v2/kolla/no/tags/list", "/v2/kolla/a/blobs/sha256:zz", "/v2/kolla/a/tags/list?n=x", "/other",
	} {
		g, h := get(t, base+path), request(t, "HEAD", base+path)
		if g.StatusCode != h.StatusCode || len(h.body) > 0 {
			t.Errorf("%s: GET is %d, HEAD is %d with %d bytes", path, g.StatusCode, h.StatusCode, len(h.body))
		}
		for _, name := range []string{"Content-Type", "Content-Length", headerDigest, "ETag", "Accept-Ranges", "Link",
			"Cache-Control", headerSource, headerVersion, headerIdentity, headerFilters} {
			if g.Header.Get(name) != h.Header.Get(name) {
				t.Errorf("%s: %s is %q of GET, %q of HEAD", path, name, g.Header.Get(name), h.Header.Get(name))
			}
		}
		if g.ContentLength != int64(len(g.body)) {
			t.Errorf("%s: %d bytes announced, %d sent", path, g.ContentLength, len(g.body))
		}
	}
}

// "A Range request ... SHOULD be supported": of a manifest as well, and HEAD with
// Range tells of the whole, which is what its length is asked for.
func TestSpecRangesOfManifests(t *testing.T) {
	f := newFixture(t)
	f.big("kolla/a", "1", 1000)
	raw := f.content[f.images[0].Manifest]
	url := start(t, f.whole()) + "/v2/kolla/a/manifests/1"
	a := get(t, url, "Range", "bytes=3-9")
	a.wantStatus(t, 206, "")
	a.wantHeader(t, headerDigest, string(f.images[0].Manifest))
	if !bytes.Equal(a.body, raw[3:10]) {
		t.Errorf("got %q", a.body)
	}
	get(t, url, "Range", fmt.Sprintf("bytes=%d-", len(raw))).wantStatus(t, 416, "SIZE_INVALID")
	get(t, url, "Range", "lines=1-2").wantStatus(t, 200, "") // an unknown unit is ignored
}

// "<name> MUST match" its expression, "<reference> as a tag MUST be at most 128
// characters in length and MUST match" its own: the longest and oddest that do are
// served, by either of the two ways that a set and registry:2's tree give them.
func TestSpecNamesAtTheirLimits(t *testing.T) {
	f := newFixture(t)
	img := f.random("a", "1", 10, 1)
	d, err := img.Digest()
	check(t, err)
	manifest := store.Digest(d.String())
	long := "k/" + strings.Repeat("a", 253)
	tag := "_" + strings.Repeat("A.-_", 31) + "abc"
	for _, name := range [][2]string{{long, "1"}, {"a0__b.c-d--e/f", "1"}, {"kolla/b", tag}} {
		f.name(name[0], name[1], manifest)
	}
	base := start(t, f.whole())
	for _, path := range []string{"a/manifests/1", long + "/manifests/1", "a0__b.c-d--e/f/manifests/1", "kolla/b/manifests/" + tag} {
		get(t, base+"/v2/"+path).wantStatus(t, 200, "")
	}
	for path, code := range map[string]string{"a.-b/manifests/1": "NAME_INVALID", "a//b/manifests/1": "NAME_INVALID",
		"-a/manifests/1": "NAME_INVALID", "a_/manifests/1": "NAME_INVALID"} {
		get(t, base+"/v2/"+path).wantStatus(t, 400, code)
	}
	get(t, base+"/v2/kolla/b/manifests/"+tag+"x").wantStatus(t, 404, "MANIFEST_UNKNOWN") // 129 characters
}
