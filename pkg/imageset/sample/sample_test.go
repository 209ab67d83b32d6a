package sample

import (
	"archive/tar"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func bundleBytes(t *testing.T, o Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Write(&buf, o); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func names(t *testing.T, b []byte) []string {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(list, h.Name) {
			t.Errorf("%s comes twice", h.Name)
		}
		list = append(list, h.Name)
	}
}

func count(list []string, part string) (n int) {
	for _, name := range list {
		if strings.Contains(name, part) {
			n++
		}
	}
	return n
}

func TestSameOptionsGiveTheSameBytes(t *testing.T) {
	o := Options{Count: 2, LayerSize: 5000}
	a := bundleBytes(t, o)
	if !bytes.Equal(a, bundleBytes(t, o)) {
		t.Error("two bundles differ")
	}
	for name, other := range map[string]Options{
		"seed":     {Count: 2, LayerSize: 5000, Seed: 1},
		"revision": {Count: 2, LayerSize: 5000, Revision: 1},
		"program":  {Count: 2, LayerSize: 5000, Program: []byte("x")},
	} {
		if bytes.Equal(a, bundleBytes(t, other)) {
			t.Errorf("another %s changes nothing", name)
		}
	}
}

func TestBundleLooksLikeDaisys(t *testing.T) {
	list := names(t, bundleBytes(t, Options{Count: 20, LayerSize: 10, SharedLayers: 3}))
	for part, want := range map[string]int{
		"/data":         20*3 + 3, // manifest, config and own layer; three shared layers
		"/current/link": 20, "/_layers/sha256/": 20*2*5 + 20, "/revisions/sha256/": 20*2 + 20,
	} {
		if n := count(list, part); n != want {
			t.Errorf("%d names with %s, want %d", n, part, want)
		}
	}
	if list[0] != "tmp/" || !slices.Contains(list, "registry-6.0.0-180301120000.version") {
		t.Errorf("names begin with %v", list[:3])
	}
	if n := count(list, "repositories/kolla/centos-source-keystone-2/_manifests/tags/6.0.0/current/link"); n != 1 {
		t.Error("no second keystone")
	}
	bare := names(t, bundleBytes(t, Options{Prefix: ".", Namespace: "lokolla", SharedLayers: -1, LayerSize: 1}))
	if bare[0] != "docker/" || count(bare, "/data") != 9 || count(bare, "repositories/lokolla/") == 0 {
		t.Errorf("without prefix: %v", bare)
	}
}

func TestOnlyChangedImagesChange(t *testing.T) {
	o := Options{LayerSize: 100}
	first := names(t, bundleBytes(t, o))
	o.Revision, o.Changed = 1, []string{"centos-source-mariadb"}
	second := names(t, bundleBytes(t, o))
	o.Revision = 2
	third := names(t, bundleBytes(t, o))
	for name, list := range map[string][]string{"second": second, "third": third} {
		var fresh int
		for _, n := range list {
			if strings.HasSuffix(n, "/data") && !slices.Contains(first, n) {
				fresh++
			}
		}
		if fresh != 3 {
			t.Errorf("%s: %d blobs are new, want layer, config and manifest", name, fresh)
		}
	}
	if slices.Equal(second, third) {
		t.Error("revisions 1 and 2 are the same")
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"image": {Images: []string{"A"}}, "double": {Images: []string{"a", "a"}},
		"tag": {Tag: "a b"}, "size": {LayerSize: -1}, "tag of release": {Release: store.Release{Branch: "x"}},
	} {
		if err := Write(io.Discard, o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
