package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A archiveTree is an archive's files, by name; a value that begins with "-> " is a link.
type archiveTree map[string][]byte

func (tr archiveTree) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range tr {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(string(body), "-> "); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, body, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (tr archiveTree) tar(t testing.TB) []byte {
	t.Helper()
	var files tarFiles
	for _, name := range slices.Sorted(keys(tr)) {
		f := tarFile{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, tr[name]}
		if to, ok := strings.CutPrefix(string(tr[name]), "-> "); ok {
			f = tarFile{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}, nil}
		}
		files = append(files, f)
	}
	return files.tar(t)
}

func keys(tr archiveTree) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range tr {
			if !yield(k) {
				return
			}
		}
	}
}

// ociTree makes an OCI layout of a set.
func ociTree(t testing.TB, st *store.Store, set *store.Set) archiveTree {
	t.Helper()
	tr := archiveTree{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	for _, b := range set.Blobs {
		raw, err := st.ReadBlob(b.Digest, b.Size)
		if err != nil {
			t.Fatal(err)
		}
		tr["blobs/sha256/"+b.Digest.Hex()] = raw
	}
	type entry struct {
		MediaType   string            `json:"mediaType"`
		Digest      store.Digest      `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations"`
	}
	var list []entry
	for _, m := range set.Images {
		b, _ := set.Has(m.Manifest)
		list = append(list, entry{store.MediaTypeDockerManifest, m.Manifest, b.Size, map[string]string{
			"org.opencontainers.image.ref.name": "quay.io/" + m.Repository + ":" + m.Tag}})
	}
	tr["index.json"] = mustJSON(t, map[string]any{"schemaVersion": 2, "manifests": list})
	return tr
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// savedTree makes what docker save wrote until 24: each layer unpacked, in a
// directory of its own, a layer that comes again as a link to the first.
func savedTree(t testing.TB, st *store.Store, set *store.Set) archiveTree {
	t.Helper()
	tr, where := archiveTree{}, map[store.Digest]string{}
	var list []map[string]any
	for i, img := range set.Images {
		raw, err := st.ReadBlob(img.Manifest, store.MaxManifest)
		if err != nil {
			t.Fatal(err)
		}
		m, err := store.ParseManifest(raw)
		if err != nil {
			t.Fatal(err)
		}
		config, err := st.ReadBlob(m.Config.Digest, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		tr[m.Config.Digest.Hex()+".json"] = config
		var layers []string
		for j, l := range m.Layers {
			packed, err := st.ReadBlob(l.Digest, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			zr, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(zr)
			if err != nil {
				t.Fatal(err)
			}
			dir := store.DigestOf([]byte{byte(i), byte(j)}).Hex()
			name := dir + "/layer.tar"
			if first, ok := where[l.Digest]; ok {
				tr[name] = []byte("-> ../" + first)
			} else {
				tr[name], where[l.Digest] = plain, name
			}
			tr[dir+"/VERSION"] = []byte("1.0")
			layers = append(layers, name)
		}
		list = append(list, map[string]any{"Config": m.Config.Digest.Hex() + ".json", "Layers": layers,
			"RepoTags": []string{"127.0.0.1:4000/" + img.Repository + ":" + img.Tag}})
	}
	tr["manifest.json"] = mustJSON(t, list)
	tr["repositories"] = []byte("{}")
	return tr
}

// hybridTree is what docker save writes from 25 on: an OCI layout whose index
// names the images, and the old list beside it.
func hybridTree(t testing.TB, st *store.Store, set *store.Set) archiveTree {
	t.Helper()
	tr := ociTree(t, st, set)
	tr["manifest.json"] = []byte(`[{"Config":"blobs/sha256/none","RepoTags":["x:1"],"Layers":[]}]`)
	return tr
}

type packer func(testing.TB, archiveTree) string

func asDirectory(t testing.TB, tr archiveTree) string { return tr.write(t) }

func asFile(pack func(testing.TB, []byte) []byte) packer {
	return func(t testing.TB, tr archiveTree) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "images.tar")
		if err := os.WriteFile(path, pack(t, tr.tar(t)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func plainly(_ testing.TB, raw []byte) []byte { return raw }

func zstded(t testing.TB, raw []byte) []byte {
	t.Helper()
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return zw.EncodeAll(raw, nil)
}

// originKinds are the archives' kinds that every test of them runs through.
func originKinds(t *testing.T, do func(t *testing.T, tr archiveTree, pack packer, from *store.Store, set *store.Set)) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	for name, of := range map[string]func(testing.TB, *store.Store, *store.Set) archiveTree{
		"oci": ociTree, "saved": savedTree, "hybrid": hybridTree,
	} {
		for form, pack := range map[string]packer{
			"directory": asDirectory, "tar": asFile(plainly), "gzip": asFile(gzipped), "zstd": asFile(zstded),
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel() // most of the time goes to fsync
				do(t, of(t, from, set), pack, from, set)
			})
		}
	}
}

// Every kind of archive gives every image under its name, whole, and the same
// again, and once more nothing is read of what the store has.
func TestOriginsGiveTheirImages(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, set *store.Set) {
		path := pack(t, tr)
		st := newStore(t)
		got, err := Import(t.Context(), path, st, ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Images) != len(set.Images) || len(got.Architectures) != 1 {
			t.Fatalf("got %+v", got)
		}
		for i, img := range set.Images {
			if g := got.Images[i]; g.Repository != img.Repository || g.Tag != img.Tag {
				t.Errorf("got %v, want %v", g, img)
			}
		}
		if _, isSaved := tr["repositories"]; !isSaved && got.ID != set.ID {
			t.Error("digests are not kept")
		}
		if err := st.VerifyBlobs(t.Context(), got.Blobs, 2); err != nil {
			t.Error(err)
		}
		if err := st.Activate(got.ID); err != nil {
			t.Error(err)
		}
		again, err := Import(t.Context(), path, newStore(t), ImportOptions{})
		if err != nil || again.ID != got.ID {
			t.Errorf("another set: %v", err)
		}
	})
}

// blobsOf returns the names of an archive's contents of images that are not
// manifests: what a damage can hit.
func blobsOf(tr archiveTree, m func(name string, body []byte) bool) []string {
	var out []string
	for _, name := range slices.Sorted(keys(tr)) {
		isBlob := strings.HasPrefix(name, "blobs/") || strings.HasSuffix(name, "layer.tar") || len(name) == 64+len(".json")
		if isBlob && !strings.HasPrefix(string(tr[name]), "-> ") && m(name, tr[name]) {
			out = append(out, name)
		}
	}
	return out
}

// FAULTS 66: whatever is damaged in an archive of any kind, it is refused with
// the image named, and leaves nothing.
func TestFault66DamagedArchivesAreRefused(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, _ *store.Set) {
		names := blobsOf(tr, func(string, []byte) bool { return true })
		for what, damage := range map[string]func([]byte) []byte{
			"flipped": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 4; return b },
			"cut":     func(b []byte) []byte { return b[:len(b)-1] },
			"longer":  func(b []byte) []byte { return append(bytes.Clone(b), 0) },
			"missing": func([]byte) []byte { return nil },
		} {
			for _, name := range names {
				bad := archiveTree{}
				for k, v := range tr {
					bad[k] = v
				}
				if bad[name] = damage(tr[name]); bad[name] == nil {
					delete(bad, name)
				}
				st := newStore(t)
				_, err := Import(t.Context(), pack(t, bad), st, ImportOptions{})
				var refused *RefusedError
				if !errors.As(err, &refused) || refused.Image == "" {
					t.Errorf("%s, %s: %v", name, what, err)
				}
				checkEmpty(t, st)
			}
		}
	})
}

// FAULTS 66: an archive that ends too early.
func TestFault66ShortArchivesAreRefused(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, _ *store.Set) {
		path := pack(t, tr)
		raw, err := os.ReadFile(path)
		if err != nil {
			return // a directory
		}
		for _, n := range []int{0, 1, 600, len(raw) / 2, len(raw) - 1025, len(raw) - 1} {
			st := newStore(t)
			if err := os.WriteFile(path, raw[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Import(t.Context(), path, st, ImportOptions{}); err == nil {
				t.Errorf("cut at %d of %d: taken", n, len(raw))
			}
			checkEmpty(t, st)
		}
	})
}

// FAULTS 68: links of an archive stay inside it, and lead to files only.
func TestFault68LinksStayInside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	tr := savedTree(t, from, set)
	layer := blobsOf(tr, func(name string, _ []byte) bool { return strings.HasSuffix(name, "layer.tar") })[0]
	for what, to := range map[string]string{
		"absolute": secret, "parent": "../../../../../../../.." + secret, "itself": "layer.tar", "directory": "../",
		"nowhere": "../none",
	} {
		for form, pack := range map[string]packer{"directory": asDirectory, "tar": asFile(plainly), "gzip": asFile(gzipped)} {
			tr[layer] = []byte("-> " + to)
			st := newStore(t)
			_, err := Import(t.Context(), pack(t, tr), st, ImportOptions{})
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%s, %s: %v", what, form, err)
			}
			checkEmpty(t, st)
		}
	}
}

// FAULTS 68: what is refused of a packed bundle is refused of a plain one, which
// is read in any order, and of an archive.
func TestFault68HostileEntriesOfArchives(t *testing.T) {
	from := newStore(t)
	tr := ociTree(t, from, mustImport(t, from, bundleOf(t, small())))
	raw := tr.tar(t)
	for name, f := range map[string]tarFile{
		"parent":      {tar.Header{Typeflag: tar.TypeReg, Name: "blobs/../../x"}, []byte("x")},
		"absolute":    {tar.Header{Typeflag: tar.TypeReg, Name: "/etc/cron.d/x"}, []byte("x")},
		"hard link":   {tar.Header{Typeflag: tar.TypeLink, Name: "blobs/x", Linkname: "/etc/passwd"}, nil},
		"device":      {tar.Header{Typeflag: tar.TypeChar, Name: "blobs/null", Devmajor: 1, Devminor: 3}, nil},
		"comes twice": {tar.Header{Typeflag: tar.TypeReg, Name: "index.json"}, tr["index.json"]},
	} {
		more := append(bytes.Clone(raw[:len(raw)-1024]), tarFiles{f}.tar(t)...)
		for _, pack := range []func(testing.TB, []byte) []byte{plainly, gzipped} {
			st := newStore(t)
			_, err := importBytes(st, pack(t, more))
			var refused *RefusedError
			if !errors.As(err, &refused) || !errors.Is(err, ErrUnsafe) || refused.Entry == "" {
				t.Errorf("%s: %v", name, err)
			}
			checkEmpty(t, st)
		}
	}
}

// A layer of an archive may be compressed: its own digest is found out, and what it
// unpacks to is proven.
func TestSavedLayersMayBeCompressed(t *testing.T) {
	from := newStore(t)
	tr := savedTree(t, from, mustImport(t, from, bundleOf(t, small())))
	names := blobsOf(tr, func(name string, _ []byte) bool { return strings.HasSuffix(name, "layer.tar") })
	tr[names[0]] = gzipped(t, tr[names[0]])
	tr[names[1]] = zstded(t, tr[names[1]])
	st := newStore(t)
	set, err := Import(t.Context(), tr.write(t), st, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
	tr[names[0]] = gzipped(t, []byte("another layer"))
	if _, err := Import(t.Context(), tr.write(t), newStore(t), ImportOptions{}); !errors.Is(err, store.ErrDigestMismatch) {
		t.Errorf("unpacks to something else: %v", err)
	}
}

// An import that breaks off keeps what came whole, and the next one does not read
// that again.
func TestOriginContinues(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, sample.Options{Count: 20, LayerSize: 3000}))
	files := dirFiles{mustRoot(t, ociTree(t, from, set).write(t))}
	open := func() *counting {
		o, err := openArchive(files, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return &counting{Origin: o, opened: make(chan store.Digest, 1000)}
	}
	st := newStore(t)
	first := open()
	first.fail = 3 * blobsAtOnce
	if _, err := ImportOrigin(t.Context(), first, st, ImportOptions{}); !errors.Is(err, ErrOrigin) {
		t.Fatalf("got %v", err)
	}
	kept := len(set.Blobs) - len(st.Missing(set))
	if kept == 0 {
		t.Fatal("nothing was kept")
	}
	second := open()
	got, err := ImportOrigin(t.Context(), second, st, ImportOptions{})
	if err != nil || got.ID != set.ID {
		t.Fatalf("got %v, %v", got, err)
	}
	if n := len(second.opened); n >= len(set.Blobs)-len(set.Images) || n == 0 {
		t.Errorf("%d blobs were read, %d of %d were there", n, kept, len(set.Blobs))
	}
	third := open()
	if _, err := ImportOrigin(t.Context(), third, st, ImportOptions{}); err != nil || len(third.opened) > 0 {
		t.Errorf("%d blobs were read again, %v", len(third.opened), err)
	}
}

func mustRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// counting tells which blobs are asked for, and fails from the one on that fail
// says.
type counting struct {
	Origin
	opened chan store.Digest
	fail   int
}

func (c *counting) Blob(ctx context.Context, repo string, d store.Descriptor) (io.ReadCloser, error) {
	c.opened <- d.Digest
	if c.fail > 0 && len(c.opened) >= c.fail {
		return nil, ErrOrigin
	}
	return c.Origin.Blob(ctx, repo, d)
}

func TestImagesByPattern(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, set *store.Set) {
		st := newStore(t)
		want := set.Images[1]
		got, err := Import(t.Context(), pack(t, tr), st, ImportOptions{Images: []string{"*" + want.Repository[len("kolla/c"):]}})
		if err != nil || len(got.Images) != 1 || got.Images[0].Repository != want.Repository {
			t.Fatalf("got %v, %v", got, err)
		}
		_, err = Import(t.Context(), pack(t, tr), newStore(t), ImportOptions{Images: []string{"nova-*"}})
		if !errors.Is(err, ErrNotBundle) {
			t.Errorf("none: %v", err)
		}
	})
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string]string{
		"kolla/x:1": "kolla/x 1", "quay.io/kolla/x:1": "kolla/x 1", "127.0.0.1:4000/kolla/x:1": "kolla/x 1",
		"localhost/x:1": "x 1", "x:1": "x 1", "kolla/x": "kolla/x latest", "host:5000/kolla/x": "kolla/x latest",
		"6.0.0": "", "": "", "kolla/X:1": "", "kolla/x@sha256:ab": "", "kolla/x:": "kolla/x latest", "../x:1": "",
	} {
		repo, tag, ok := SplitName(name)
		if got := repo + " " + tag; ok && got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", name, got, ok, want)
		}
	}
}

// A plain tar of a bundle is read in any order, and checked against its sum.
func TestPlainBundleAgainstItsSum(t *testing.T) {
	raw := unpackBundle(t, bundleOf(t, small())).tar(t)
	path := filepath.Join(t.TempDir(), "kolla.tar")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(t.Context(), path, newStore(t), ImportOptions{DemandSum: true}); !errors.Is(err, ErrCheckSum) {
		t.Errorf("no sum: %v", err)
	}
	writeSum(t, path, raw)
	if _, err := Import(t.Context(), path, newStore(t), ImportOptions{DemandSum: true}); err != nil {
		t.Error(err)
	}
	writeSum(t, path, raw[1:])
	st := newStore(t)
	if _, err := Import(t.Context(), path, st, ImportOptions{}); !errors.Is(err, ErrCheckSum) {
		t.Errorf("another sum: %v", err)
	}
	checkEmpty(t, st)
}

func writeSum(t *testing.T, path string, raw []byte) {
	t.Helper()
	sum := sha512.Sum512(raw)
	text := hex.EncodeToString(sum[:]) + "  " + filepath.Base(path) + "\n"
	if err := os.WriteFile(path+".sha512sum", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
