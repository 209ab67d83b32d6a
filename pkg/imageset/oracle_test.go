package imageset

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// storedImage is an image as go-containerregistry sees one in a registry.
type storedImage struct {
	st       *store.Store
	raw      []byte
	manifest store.Manifest
}

func (i storedImage) RawManifest() ([]byte, error) { return i.raw, nil }
func (i storedImage) MediaType() (types.MediaType, error) {
	return types.MediaType(i.manifest.MediaType), nil
}
func (i storedImage) RawConfigFile() ([]byte, error) {
	return i.st.ReadBlob(i.manifest.Config.Digest, 1<<20)
}

func (i storedImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, l := range i.manifest.Layers {
		if string(l.Digest) == h.String() {
			return storedLayer{i.st, l}, nil
		}
	}
	return nil, fmt.Errorf("no layer %v", h)
}

type storedLayer struct {
	st *store.Store
	d  store.Descriptor
}

func (l storedLayer) Digest() (v1.Hash, error)            { return v1.NewHash(string(l.d.Digest)) }
func (l storedLayer) Size() (int64, error)                { return l.d.Size, nil }
func (l storedLayer) MediaType() (types.MediaType, error) { return types.MediaType(l.d.MediaType), nil }
func (l storedLayer) Compressed() (io.ReadCloser, error) {
	f, _, err := l.st.OpenBlob(l.d.Digest)
	return f, err
}

func imageOf(t *testing.T, st *store.Store, d store.Digest) v1.Image {
	t.Helper()
	raw, err := st.ReadBlob(d, store.MaxManifest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	img, err := partial.CompressedToImage(storedImage{st, raw, m})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// go-containerregistry checks every digest, size and diff ID of the samples.
func TestSampleImagesAreValid(t *testing.T) {
	st := newStore(t)
	o := small()
	o.Program, o.Args, o.Architecture = []byte("\x7fELF"), []string{"-v"}, "arm64"
	set := mustImport(t, st, bundleOf(t, o))
	if !slices.Equal(set.Architectures, []string{"arm64"}) {
		t.Errorf("architectures are %v", set.Architectures)
	}
	for _, m := range set.Images {
		img := imageOf(t, st, m.Manifest)
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", m.Repository, err)
		}
		config, err := img.ConfigFile()
		if err != nil || config.OS != "linux" || config.Architecture != "arm64" ||
			!slices.Equal(config.Config.Entrypoint, []string{"/app"}) || !slices.Equal(config.Config.Cmd, o.Args) {
			t.Errorf("%s: config is %+v, %v", m.Repository, config, err)
		}
		if _, ok := config.Config.Labels["kolla_version"]; ok {
			t.Error("a sample has Kolla's own label")
		}
		layers, err := img.Layers()
		if err != nil || len(layers) != 3 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		rc, err := layers[2].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(rc).Next()
		if err != nil || h.Name != "app" || h.Mode != 0o755 {
			t.Errorf("program is %+v, %v", h, err)
		}
		rc.Close()
	}
}

// tree writes images that another library made as registry:2 would keep them.
type tree struct {
	t    *testing.T
	root string
}

func (tr tree) write(name string, data []byte) {
	tr.t.Helper()
	path := filepath.Join(tr.root, store.RegistryRoot, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) blob(data []byte) store.Digest {
	d := store.DigestOf(data)
	tr.write(filepath.Join("blobs/sha256", d.Hex()[:2], d.Hex(), "data"), data)
	return d
}

func (tr tree) link(repo string, d store.Digest, dir string) {
	tr.write(filepath.Join("repositories", repo, dir, "link"), []byte(d))
}

func (tr tree) image(repo string, img v1.Image) {
	tr.t.Helper()
	layers, err := img.Layers()
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			tr.t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			tr.t.Fatal(err)
		}
		d := tr.blob(data)
		tr.link(repo, d, "_layers/sha256/"+d.Hex())
	}
	config, err := img.RawConfigFile()
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.blob(config)
	tr.manifest(repo, img)
}

func (tr tree) manifest(repo string, m interface{ RawManifest() ([]byte, error) }) store.Digest {
	tr.t.Helper()
	raw, err := m.RawManifest()
	if err != nil {
		tr.t.Fatal(err)
	}
	d := tr.blob(raw)
	tr.link(repo, d, "_manifests/revisions/sha256/"+d.Hex())
	return d
}

// Images and an index that go-containerregistry made come through unchanged.
func TestImportOfRandomImages(t *testing.T) {
	tr := tree{t, t.TempDir()}
	img, err := random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	oci := mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	index, err := random.Index(1000, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]store.Digest{}
	for repo, img := range map[string]v1.Image{"docker/one": img, "oci/one": oci} {
		tr.image(repo, img)
		want[repo] = tr.manifest(repo, img)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.Manifests {
		child, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		tr.image("many", child)
	}
	want["many"] = tr.manifest("many", index)
	for repo, d := range want {
		tr.link(repo, d, "_manifests/tags/1.0/current")
	}
	st := newStore(t)
	set, err := Import(t.Context(), tr.root, st, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	for repo, d := range want {
		if got, err := st.ResolveTag(repo, "1.0"); err != nil || got != d {
			t.Errorf("%s: %v, %v, want %v", repo, got, err, d)
		}
	}
	for _, repo := range []string{"docker/one", "oci/one"} {
		if err := validate.Image(imageOf(t, st, want[repo])); err != nil {
			t.Errorf("%s: %v", repo, err)
		}
	}
	if n := len(list.Manifests)*(2+2) + 1 + 3 + 2*2; len(set.Blobs) > n {
		t.Errorf("%d blobs, at most %d are needed", len(set.Blobs), n)
	}
	// An index all of whose images are not there is refused, by name.
	child := store.Digest(list.Manifests[1].Digest.String())
	if err := os.Remove(filepath.Join(tr.root, store.RegistryRoot, "blobs/sha256", child.Hex()[:2], child.Hex(), "data")); err != nil {
		t.Fatal(err)
	}
	to := newStore(t)
	if _, err := Import(t.Context(), tr.root, to, ImportOptions{}); err == nil {
		t.Error("an index with a missing image was taken")
	}
	checkEmpty(t, to)
}
