package imageset

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
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

// A blob that rotted on the deploy server's disk is repaired: a manifest or a
// config at once, a layer by Force or by removing it.
func TestImportRepairsTheStore(t *testing.T) {
	path, st := writeBundle(t, bundleOf(t, sample.Options{LayerSize: provenBlob})), newStore(t)
	set, _ := importCounting(t, path, st, ImportOptions{})
	rot := func(large bool) {
		t.Helper()
		for _, b := range set.Blobs {
			if (b.Size > provenBlob) == large {
				data := make([]byte, b.Size)
				if err := os.WriteFile(blobFile(st, b.Digest), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	rot(false)
	if _, err := ImportStream(t.Context(), bytes.NewReader(bundleOf(t, sample.Options{LayerSize: provenBlob})), st, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Errorf("small blobs: %v", err)
	}
	rot(true)
	importCounting(t, path, st, ImportOptions{Force: true})
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Errorf("layers: %v", err)
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
