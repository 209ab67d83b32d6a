package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// importCounting imports path and returns how many bytes of it were read.
func importCounting(t *testing.T, path string, st *store.Store, opts ImportOptions) (*store.Set, int64) {
	t.Helper()
	var n int64
	opts.Progress = func(read, _ int64) { n = read }
	set, err := Import(context.Background(), path, st, opts)
	if err != nil {
		t.Fatal(err)
	}
	return set, n
}

func writeBundle(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kolla-image-queens-180301120000.tgz")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnUnchangedBundleIsNotReadAgain(t *testing.T) {
	path, st := writeBundle(t, bundleOf(t, small())), newStore(t)
	set, n := importCounting(t, path, st, ImportOptions{})
	if n == 0 {
		t.Fatal("the first import read nothing")
	}
	again, n := importCounting(t, path, st, ImportOptions{})
	if n != 0 || again.ID != set.ID {
		t.Errorf("the second read %d bytes", n)
	}
	if _, n := importCounting(t, path, st, ImportOptions{Force: true}); n == 0 {
		t.Error("Force read nothing")
	}
	if _, n := importCounting(t, path, newStore(t), ImportOptions{}); n == 0 {
		t.Error("another store knew the bundle")
	}
}

func TestAnImportIsRepeatedWhenSomethingIsGone(t *testing.T) {
	path, st := writeBundle(t, bundleOf(t, small())), newStore(t)
	set, _ := importCounting(t, path, st, ImportOptions{})

	if err := st.RemoveBlob(set.Blobs[1].Digest); err != nil {
		t.Fatal(err)
	}
	if again, n := importCounting(t, path, st, ImportOptions{}); n == 0 || again.ID != set.ID {
		t.Error("a missing blob did not make it read again")
	}
	if len(st.Missing(set)) > 0 {
		t.Error("the blob is still missing")
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if _, n := importCounting(t, path, st, ImportOptions{}); n == 0 {
		t.Error("a touched bundle was not read")
	}
	o := small()
	o.Revision = 1
	if err := os.WriteFile(path, bundleOf(t, o), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, n := importCounting(t, path, st, ImportOptions{}); n == 0 || again.ID == set.ID {
		t.Error("another bundle under the same name was not read")
	}
	for _, text := range []string{"", "{", `{"set":"../../x"}`} {
		records, err := filepath.Glob(filepath.Join(st.OwnDir(), "imports", "*.json"))
		if err != nil || len(records) != 1 {
			t.Fatalf("records: %v, %v", records, err)
		}
		if err := os.WriteFile(records[0], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, n := importCounting(t, path, st, ImportOptions{}); n == 0 {
			t.Errorf("record %q was believed", text)
		}
	}
}

func TestABundleThatChangesWhileItIsReadIsRefused(t *testing.T) {
	path, st := writeBundle(t, bundleOf(t, small())), newStore(t)
	touched := false
	_, err := Import(context.Background(), path, st, ImportOptions{Progress: func(int64, int64) {
		if !touched {
			touched = true
			later := time.Now().Add(time.Minute)
			if err := os.Chtimes(path, later, later); err != nil {
				t.Error(err)
			}
		}
	}})
	if !errors.Is(err, ErrSourceChanged) {
		t.Errorf("got %v", err)
	}
}

// A second build shares most layers with the first: both sets stay usable and
// only what differs is new.
func TestASecondBuildAddsWhatChanged(t *testing.T) {
	st := newStore(t)
	o := small()
	first := mustImport(t, st, bundleOf(t, o))
	o.Revision, o.Changed = 1, []string{"centos-source-mariadb"}
	second := mustImport(t, st, bundleOf(t, o))
	var fresh int
	for _, b := range second.Blobs {
		if _, ok := first.Has(b.Digest); !ok {
			fresh++
		}
	}
	if fresh != 3 { // layer, config, manifest
		t.Errorf("%d blobs are new, want 3", fresh)
	}
	if len(st.Missing(first)) > 0 {
		t.Error("the first set lost blobs")
	}
	for i, m := range second.Images {
		if changed := m.Manifest != first.Images[i].Manifest; changed != (m.Repository == "kolla/centos-source-mariadb") {
			t.Errorf("%s: changed is %v", m.Repository, changed)
		}
	}
}

// What a refused bundle shares with the store stays in the store.
func TestARefusedBundleKeepsWhatWasThere(t *testing.T) {
	st := newStore(t)
	o := small()
	set := mustImport(t, st, bundleOf(t, o))
	o.Revision = 1
	files := unpackBundle(t, bundleOf(t, o))
	i := files.blob(t, files.layer(t))
	if _, err := importBytes(st, gzipped(t, append(files[:i:i], files[i+1:]...).tar(t))); !errors.Is(err, ErrMissingBlob) {
		t.Fatalf("got %v", err)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
	if err := st.VerifyBlobs(context.Background(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
	if res, err := st.GC(1); err != nil || res.Blobs > 0 {
		t.Errorf("the refused bundle left %d blobs, %v", res.Blobs, err)
	}
}

// FAULTS 24: a blob that was damaged on the deploy server's disk, of whatever size, is
// repaired by the next import of any kind, and what is whole is not written again.
func TestFault24ImportRepairsTheStore(t *testing.T) {
	o := sample.Options{Count: 2, LayerSize: provenBlob + 1, SharedLayers: 1}
	raw := bundleOf(t, o)
	packed, plain := writeBundle(t, raw), writeBundle(t, unpackBundle(t, raw).tar(t))
	layout := filepath.Join(t.TempDir(), "reg")
	unpackInto(t, layout, unpackBundle(t, raw))
	for name, again := range map[string]func(st *store.Store) error{
		"Packed": func(st *store.Store) error { _, err := Import(t.Context(), packed, st, ImportOptions{}); return err },
		"Plain":  func(st *store.Store) error { _, err := Import(t.Context(), plain, st, ImportOptions{}); return err },
		"Directory": func(st *store.Store) error {
			_, err := Import(t.Context(), layout, st, ImportOptions{})
			return err
		},
		"Stream": func(st *store.Store) error { _, err := importBytes(st, raw); return err },
		"Origin": func(st *store.Store) error {
			_, err := ImportOrigin(t.Context(), originOf(t, raw), st, ImportOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			if err := again(st); err != nil {
				t.Fatal(err)
			}
			set := mustImport(t, st, raw)
			first := make(map[store.Digest]uint64)
			for _, b := range set.Blobs {
				first[b.Digest] = inodeOf(t, blobFile(st, b.Digest))
			}
			for i, b := range set.Blobs {
				if i%2 == 0 {
					flip(t, blobFile(st, b.Digest))
				}
			}
			if err := again(st); err != nil {
				t.Fatal(err)
			}
			if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
				t.Errorf("not repaired: %v", err)
			}
			for i, b := range set.Blobs {
				if isSame := inodeOf(t, blobFile(st, b.Digest)) == first[b.Digest]; isSame != (i%2 != 0) {
					t.Errorf("blob %d of %d bytes: written again: %v", i, b.Size, !isSame)
				}
			}
			checkNoStaged(t, st)
		})
	}
}

// originOf is an origin that has what a bundle has.
func originOf(t *testing.T, bundle []byte) Origin {
	t.Helper()
	st := newStore(t)
	return &storeOrigin{st: st, set: mustImport(t, st, bundle)}
}

// storeOrigin is a store as an Origin.
type storeOrigin struct {
	st  *store.Store
	set *store.Set
}

func (o *storeOrigin) Images(context.Context) ([]store.Image, error) { return o.set.Images, nil }

func (o *storeOrigin) Manifest(_ context.Context, _ string, d store.Digest) ([]byte, error) {
	return o.st.ReadBlob(d, store.MaxManifest)
}

func (o *storeOrigin) Blob(_ context.Context, _ string, d store.Descriptor) (io.ReadCloser, error) {
	f, _, err := o.st.OpenBlob(d.Digest)
	return f, err
}

func (o *storeOrigin) Close() error { return nil }

func unpackInto(t *testing.T, dir string, files tarFiles) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, f.h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if f.h.Typeflag != tar.TypeReg {
			continue
		}
		if err := os.WriteFile(path, f.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes one byte of a file in place.
func flip(t *testing.T, path string) {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // more than one tick of the filesystem's clock
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{^raw[len(raw)/2]}, int64(len(raw)/2))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// checkNoStaged fails when something lies in the staging directory.
func checkNoStaged(t *testing.T, st *store.Store) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(st.OwnDir(), "staging", "*")); len(left) > 0 {
		t.Errorf("staged: %v", left)
	}
}

// A refused bundle takes nothing away that was there before, not even when it
// was written anew.
func TestARefusedForcedImportRemovesNothing(t *testing.T) {
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, small()))
	files := unpackBundle(t, bundleOf(t, small()))
	i := files.tag(t)
	files[i].body = []byte(files.layer(t))
	_, err := ImportStream(t.Context(), bytes.NewReader(files.tar(t)), st, ImportOptions{Force: true})
	if !errors.Is(err, ErrNoRevision) {
		t.Errorf("got %v", err)
	}
	if n := len(st.Missing(set)); n > 0 {
		t.Errorf("%d blobs are gone", n)
	}
}
