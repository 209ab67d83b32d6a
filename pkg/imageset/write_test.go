package imageset

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func packedBundle(t testing.TB, st *store.Store, set *store.Set, name string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw, err := Compressor(&buf, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteBundle(t.Context(), zw, set, st, nil); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// The same images make the same bytes, whatever way they came into a store, and
// the bundle is read back as the same set.
func TestBundleIsDeterministic(t *testing.T) {
	bundle := bundleOf(t, sample.Options{Count: 3, LayerSize: 3 << 20, SharedLayers: 1})
	one, two := newStore(t), newStore(t)
	set := mustImport(t, one, bundle)
	other, err := Import(t.Context(), ociTree(t, one, set).write(t), two, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other.Release = set.Release
	for _, name := range []string{"x.tar", "x.tgz", "x.tar.gz", "x.tar.zst"} {
		a, b := packedBundle(t, one, set, name), packedBundle(t, two, other, name)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the bytes differ", name)
		}
		back, err := importBytes(newStore(t), a)
		if err != nil || back.ID != set.ID || back.Release != set.Release {
			t.Errorf("%s: read back: %v, %v", name, back, err)
		}
	}
	if _, err := Compressor(io.Discard, "x.zip"); err == nil {
		t.Error("zip: taken")
	}
}

// Daisy unpacks a bundle by tar(1) and serves the directory: what comes of that is
// a registry:2 directory like the one that an activated store is.
func TestBundleIsUnpackedByTar(t *testing.T) {
	tarProgram, err := exec.LookPath("tar")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no tar(1) here")
		}
		t.Skip("there is no tar(1) here")
	}
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, small()))
	if err := st.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), tarProgram, "xzf", "-", "-C", dir)
	cmd.Stdin = bytes.NewReader(packedBundle(t, st, set, "x.tgz"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, want := listFiles(t, filepath.Join(dir, "tmp/registry/docker")), listFiles(t, filepath.Join(st.Dir(), "docker"))
	if !slices.Equal(got, want) {
		t.Errorf("got %d files, want %d: %s", len(got), len(want), strings.Join(got, "\n"))
	}
	versions, err := filepath.Glob(filepath.Join(dir, "registry-*.version"))
	if err != nil || len(versions) != 1 {
		t.Errorf("version files: %v, %v", versions, err)
	}
}

func listFiles(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// FAULTS 67: a blob that changed in the store is not packed.
func TestFault67BundleOfAChangedBlob(t *testing.T) {
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, small()))
	big := slices.MaxFunc(set.Blobs, func(a, b store.Blob) int { return int(a.Size - b.Size) })
	spoilBlob(t, st, big)
	if err := WriteBundle(t.Context(), io.Discard, set, st, nil); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), big.Digest.Hex()) {
		t.Errorf("got %v", err)
	}
}

func spoilBlob(t testing.TB, st *store.Store, b store.Blob) {
	t.Helper()
	path := filepath.Join(st.Dir(), store.RegistryRoot, "blobs/sha256", b.Digest.Hex()[:2], b.Digest.Hex(), "data")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Check finds in any source what Import would, and keeps nothing.
func TestCheck(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, set *store.Set) {
		path := pack(t, tr)
		c, err := Check(t.Context(), Place{Path: path}, ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := Import(t.Context(), path, newStore(t), ImportOptions{})
		if err != nil || c.Set.ID != want.ID || len(c.Images) != len(set.Images) {
			t.Fatalf("got %v, want %v, %v", c.Set, want, err)
		}
		var own int64
		for _, img := range c.Images {
			own += img.Own
			if img.Layers == 0 || len(img.Archs) != 1 || img.Size <= img.Own || img.Own == 0 {
				t.Errorf("got %+v", img)
			}
		}
		if c.Shared <= 0 || own >= want.TotalSize() {
			t.Errorf("%d shared, %d of their own, of %d", c.Shared, own, want.TotalSize())
		}
		for _, name := range blobsOf(tr, func(string, []byte) bool { return true }) {
			bad := archiveTree{}
			for k, v := range tr {
				bad[k] = v
			}
			bad[name] = bytes.Clone(tr[name])
			bad[name][len(bad[name])/2] ^= 1
			var refused *RefusedError
			if _, err := Check(t.Context(), Place{Path: pack(t, bad)}, ImportOptions{}); !errors.As(err, &refused) {
				t.Errorf("%s flipped: %v", name, err)
			}
		}
	})
}

// Check of a bundle, and of the directory in it, finds a damaged blob; Inspect of
// a directory does not read layers.
func TestCheckOfBundles(t *testing.T) {
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, sample.Options{Count: 2, LayerSize: 5 << 20}))
	if err := st.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	check := func(by func(path string) (*Contents, error), path string) error {
		c, err := by(path)
		if err == nil && c.Set.ID != set.ID {
			t.Errorf("%s: another set", path)
		}
		return err
	}
	whole := func(p string) (*Contents, error) { return Check(t.Context(), Place{Path: p}, ImportOptions{}) }
	quick := func(p string) (*Contents, error) { return Inspect(t.Context(), Place{Path: p}, ImportOptions{}) }
	dir := filepath.Join(st.Dir(), "docker")
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "docker"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, packedBundle(t, st, set, "x.tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{root, path} {
		if err := errors.Join(check(whole, p), check(quick, p)); err != nil {
			t.Error(err)
		}
	}
	big := slices.MaxFunc(set.Blobs, func(a, b store.Blob) int { return int(a.Size - b.Size) })
	name := filepath.Join(root, store.RegistryRoot, "blobs/sha256", big.Digest.Hex()[:2], big.Digest.Hex(), "data")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[7] ^= 1
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := check(whole, root); !errors.Is(err, store.ErrDigestMismatch) {
		t.Errorf("a changed layer: %v", err)
	}
	if err := check(quick, root); err != nil {
		t.Errorf("a changed layer, inspected: %v", err)
	}
}

// Places add up to one set; a name that stands for two images is refused.
func TestPlacesAddUp(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	layout := ociTree(t, from, set).write(t)
	place := func(o sample.Options) Place {
		path := filepath.Join(t.TempDir(), "x.tgz")
		if err := os.WriteFile(path, bundleOf(t, o), 0o644); err != nil {
			t.Fatal(err)
		}
		return Place{Path: path}
	}
	more := small()
	more.Count, more.Tag = 1, "7.0.0"
	got, err := ImportAll(t.Context(), []Place{{Path: layout}, place(small()), place(more)}, newStore(t), ImportOptions{})
	if err != nil || len(got.Images) != len(set.Images)+1 {
		t.Errorf("got %v, %v", got, err)
	}
	other := small()
	other.Seed = 9
	st := newStore(t)
	_, err = ImportAll(t.Context(), []Place{{Path: layout}, place(other)}, st, ImportOptions{})
	if !errors.Is(err, ErrConflict) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}
