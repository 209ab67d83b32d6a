package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func newTestStore(t testing.TB) *Store {
	t.Helper()
	s, err := Create(Config{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putBlob(t testing.TB, s *Store, data []byte) Blob {
	t.Helper()
	b := Blob{DigestOf(data), int64(len(data))}
	w, err := s.NewBlob(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return b
}

// content is what a fake set is made of: blobs by digest.
type content map[Digest][]byte

func (c content) add(data []byte) Blob {
	d := DigestOf(data)
	c[d] = data
	return Blob{d, int64(len(data))}
}

func (c content) image(mediaType string, layers ...string) Blob {
	config := c.add(fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","l":%q}`, layers))
	m := manifestJSON{SchemaVersion: 2, MediaType: mediaType,
		Config: &Descriptor{MediaType: MediaTypeDockerConfig, Digest: config.Digest, Size: config.Size}}
	for _, l := range layers {
		b := c.add([]byte(l))
		m.Layers = append(m.Layers, Descriptor{MediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", Digest: b.Digest, Size: b.Size})
	}
	raw, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType,omitempty"`
		Config        *Descriptor  `json:"config"`
		Layers        []Descriptor `json:"layers"`
	}{2, mediaType, m.Config, m.Layers})
	if err != nil {
		panic(err)
	}
	return c.add(raw)
}

// fakeSet makes a set of two images which share a layer; the own layers differ
// from version to version, the names do not.
func fakeSet(t testing.TB, version string) (*Set, content) {
	t.Helper()
	c := make(content)
	images := []Image{
		{"kolla/keystone", "6.0.0", c.image(MediaTypeDockerManifest, "base", "keystone "+version).Digest},
		{"kolla/nova/api", "6.0.0", c.image(MediaTypeDockerManifest, "base", "nova "+version).Digest},
	}
	var blobs []Blob
	for d, data := range c {
		blobs = append(blobs, Blob{d, int64(len(data))})
	}
	set, err := NewSet(images, blobs, []string{"amd64"}, Release{Tag: "6.0.0"}, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return set, c
}

func fill(t testing.TB, s *Store, set *Set, c content) {
	t.Helper()
	for _, b := range set.Blobs {
		putBlob(t, s, c[b.Digest])
	}
	if err := s.PutSet(set); err != nil {
		t.Fatal(err)
	}
}

func activate(t testing.TB, s *Store, version string) *Set {
	t.Helper()
	set, c := fakeSet(t, version)
	fill(t, s, set, c)
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	return set
}

func staged(t testing.TB, s *Store) []string {
	t.Helper()
	names, err := dirNames(s.stagingPath)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// checkServable fails unless every image of set is what s serves: through the
// current set and by the tag links that another registry would follow.
func checkServable(t testing.TB, s *Store, set *Set) {
	t.Helper()
	if missing := s.Missing(set); len(missing) > 0 {
		t.Errorf("%d blobs of the set are missing", len(missing))
	}
	for _, m := range set.Images {
		if err := tagIsWhole(s, m.Repository, m.Tag); err != nil {
			t.Errorf("%s:%s: %v", m.Repository, m.Tag, err)
		}
	}
}

// tagIsWhole follows a tag as registry:2 does.
func tagIsWhole(s *Store, repo, tag string) error {
	d, err := s.ResolveTag(repo, tag)
	if err != nil {
		return err
	}
	if !s.InRepository(repo, d) {
		return fmt.Errorf("manifest %s is not in the repository", d)
	}
	raw, err := s.ReadBlob(d, MaxManifest)
	if err != nil {
		return err
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return err
	}
	for _, c := range m.Children() {
		if b, err := s.Stat(c.Digest); err != nil || b.Size != c.Size {
			return errors.Join(fmt.Errorf("blob %s is missing", c.Digest), err)
		}
		if !s.InRepository(repo, c.Digest) {
			return fmt.Errorf("blob %s is not in the repository", c.Digest)
		}
	}
	return nil
}

func mustExist(t *testing.T, path string, want bool) {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if (err == nil) != want {
		t.Errorf("%s: exists is %v, want %v", path, err == nil, want)
	}
}
