package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	d1 = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	d2 = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

func ref(d string, size int64) string {
	return fmt.Sprintf(`{"mediaType":"m","digest":%q,"size":%d}`, d, size)
}

func TestParseManifest(t *testing.T) {
	image := `"config":` + ref(d1, 7) + `,"layers":[` + ref(d2, 9) + `]`
	list := `"manifests":[{"mediaType":"m","digest":"` + d1 + `","size":7,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]`
	for _, tt := range []struct {
		name, raw, mediaType string
		children             int
	}{
		{"docker", `{"schemaVersion":2,"mediaType":"` + MediaTypeDockerManifest + `",` + image + `}`, MediaTypeDockerManifest, 2},
		{"oci", `{"schemaVersion":2,"mediaType":"` + MediaTypeOCIManifest + `",` + image + `}`, MediaTypeOCIManifest, 2},
		{"oci without media type", `{"schemaVersion":2,` + image + `}`, MediaTypeOCIManifest, 2},
		{"no layers", `{"schemaVersion":2,"config":` + ref(d1, 7) + `}`, MediaTypeOCIManifest, 1},
		{"docker list", `{"schemaVersion":2,"mediaType":"` + MediaTypeDockerList + `",` + list + `}`, MediaTypeDockerList, 1},
		{"oci index", `{"schemaVersion":2,"mediaType":"` + MediaTypeOCIIndex + `",` + list + `}`, MediaTypeOCIIndex, 1},
		{"oci index without media type", `{"schemaVersion":2,` + list + `}`, MediaTypeOCIIndex, 1},
		{"empty index", `{"schemaVersion":2,"manifests":[]}`, MediaTypeOCIIndex, 0},
		{"subject", `{"schemaVersion":2,"artifactType":"a/b","subject":` + ref(d2, 1) + `,` + image + `}`, MediaTypeOCIManifest, 2},
	} {
		m, err := ParseManifest([]byte(tt.raw))
		if err != nil || m.MediaType != tt.mediaType || len(m.Children()) != tt.children {
			t.Errorf("%s: %q, %d children, %v", tt.name, m.MediaType, len(m.Children()), err)
			continue
		}
		if c := m.Children(); len(c) > 0 && (c[0].Digest != d1 || c[0].Size != 7) {
			t.Errorf("%s: first child is %+v", tt.name, c[0])
		}
		if m.IsIndex() && len(m.Manifests) > 0 && m.Manifests[0].Platform.Architecture != "arm64" {
			t.Errorf("%s: platform is %+v", tt.name, m.Manifests[0].Platform)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	image := `"config":` + ref(d1, 7) + `,"layers":[` + ref(d2, 9) + `]`
	for name, raw := range map[string]string{
		"empty":               ``,
		"not JSON":            `hello`,
		"array":               `[]`,
		"version 3":           `{"schemaVersion":3,` + image + `}`,
		"no config":           `{"schemaVersion":2,"layers":[]}`,
		"docker, no config":   `{"schemaVersion":2,"mediaType":"` + MediaTypeDockerManifest + `"}`,
		"list without list":   `{"schemaVersion":2,"mediaType":"` + MediaTypeDockerList + `"}`,
		"image and index":     `{"schemaVersion":2,"manifests":[],` + image + `}`,
		"unknown media type":  `{"schemaVersion":2,"mediaType":"text/html",` + image + `}`,
		"bad digest":          `{"schemaVersion":2,"config":` + ref("sha256:..", 7) + `}`,
		"other algorithm":     `{"schemaVersion":2,"config":` + ref("sha512:"+strings.Repeat("0", 128), 7) + `}`,
		"no digest":           `{"schemaVersion":2,"config":{}}`,
		"negative size":       `{"schemaVersion":2,"config":` + ref(d1, -1) + `}`,
		"huge size":           `{"schemaVersion":2,"config":` + ref(d1, MaxBlobSize+1) + `}`,
		"bad subject":         `{"schemaVersion":2,"subject":{},` + image + `}`,
		"many layers":         `{"schemaVersion":2,"config":` + ref(d1, 1) + `,"layers":[` + strings.Repeat(ref(d2, 1)+",", maxReferences) + ref(d2, 1) + `]}`,
		"many URLs":           `{"schemaVersion":2,"config":{"digest":"` + d1 + `","urls":[` + strings.Repeat(`"u",`, maxURLs) + `"u"]}}`,
		"larger than allowed": `{"schemaVersion":2,` + image + strings.Repeat(" ", MaxManifest) + `}`,
	} {
		if _, err := ParseManifest([]byte(raw)); !errors.Is(err, ErrManifest) || errors.Is(err, ErrSchema1) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{
		`{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[{"blobSum":"` + d1 + `"}],"history":[],"signatures":[]}`,
		`{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}`,
	} {
		if _, err := ParseManifest([]byte(raw)); !errors.Is(err, ErrSchema1) || !errors.Is(err, ErrManifest) {
			t.Errorf("schema 1: %v", err)
		}
	}
}

func TestForeignLayersAreKnown(t *testing.T) {
	for mediaType, want := range map[string]bool{
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
		"application/vnd.docker.image.rootfs.diff.tar.gzip":            false,
		"application/vnd.oci.image.layer.v1.tar+zstd":                  false,
	} {
		if got := (Descriptor{MediaType: mediaType}).Foreign(); got != want {
			t.Errorf("%s: %v", mediaType, got)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	c := make(content)
	f.Add(c[c.image(MediaTypeDockerManifest, "a", "b").Digest])
	f.Add(c[c.image("", "a").Digest])
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + ref(d1, 1) + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ParseManifest(raw)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("not an ErrManifest: %v", err)
			}
			return
		}
		for _, c := range m.Children() {
			if c.Digest.Hex() == "" || c.Size < 0 {
				t.Fatalf("child %+v", c)
			}
		}
	})
}
