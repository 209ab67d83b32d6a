package imageset

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// FAULTS 67: a file of any form that somebody writes to while it is read is refused,
// and nothing of it is kept.
func TestFault67SourceChangesWhileRead(t *testing.T) {
	originKinds(t, func(t *testing.T, tr archiveTree, pack packer, _ *store.Store, _ *store.Set) {
		path := pack(t, tr)
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return // what changes in a directory shows by its digest
		}
		st := newStore(t)
		changed := false
		_, err := Import(t.Context(), path, st, ImportOptions{Progress: func(int64, int64) {
			if changed {
				return
			}
			changed = true
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := f.Write([]byte{0}); err != nil {
				t.Error(err)
			}
		}})
		if !changed || err == nil {
			t.Fatalf("changed: %t, got %v", changed, err)
		}
		if !errors.Is(err, ErrSourceChanged) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
			t.Errorf("got %v", err)
		}
		checkEmpty(t, st)
	})
}

// FAULTS 67: a blob of a directory that changes between its name and its reading is
// found by its digest.
func TestFault67DirectoryChangesWhileRead(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	dir := ociTree(t, from, set).write(t)
	o, err := openArchive(dirFiles{mustRoot(t, dir)}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := from.ReadBlob(set.Images[0].Manifest, store.MaxManifest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, blobName(m.Layers[1].Digest))
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(name, body, 0o644); err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	_, err = ImportOrigin(t.Context(), o, st, ImportOptions{})
	if !errors.Is(err, store.ErrDigestMismatch) || !strings.Contains(err.Error(), m.Layers[1].Digest.Hex()) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}

// FAULTS 68: an archive that unpacks to a thousand times its size is refused before
// it fills the disk, and its spool has no name to be left behind.
func TestFault68PackedArchiveThatExplodes(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: ratioApplies + 64<<20}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range ratioApplies>>20 + 64 {
		if _, err := tw.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	packed := gzipped(t, buf.Bytes())
	st := newStore(t)
	if _, err := importBytes(st, packed); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes of %d: %v", len(packed), buf.Len(), err)
	}
	checkEmpty(t, st)
}

// FAULTS 68: bounds of an archive's own lists.
func TestFault68ArchiveBounds(t *testing.T) {
	big := strings.Repeat(" ", maxSavedList+1)
	layers := `"` + strings.Repeat(`l","`, maxLayers) + `l"`
	for what, tr := range map[string]archiveTree{
		"list":     {"manifest.json": []byte("[" + big + "]")},
		"layers":   {"manifest.json": []byte(`[{"Config":"c","RepoTags":["kolla/x:1"],"Layers":[` + layers + `]}]`), "c": []byte("{}")},
		"config":   {"manifest.json": []byte(`[{"Config":"c","RepoTags":["kolla/x:1"],"Layers":[]}]`), "c": make([]byte, maxConfig+1)},
		"index":    {"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": make([]byte, store.MaxManifest+1)},
		"manifest": {"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": bigManifestIndex(), "blobs/sha256/" + store.DigestOf(make([]byte, store.MaxManifest+1)).Hex(): make([]byte, store.MaxManifest+1)},
	} {
		for _, pack := range []packer{asDirectory, asFile(plainly)} {
			st := newStore(t)
			if _, err := Import(t.Context(), pack(t, tr), st, ImportOptions{}); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: %v", what, err)
			}
			checkEmpty(t, st)
		}
	}
}

func bigManifestIndex() []byte {
	d := store.DigestOf(make([]byte, store.MaxManifest+1))
	return []byte(`{"schemaVersion":2,"manifests":[{"digest":"` + string(d) + `","size":1,"annotations":{"` + annotationRefName + `":"kolla/x:1"}}]}`)
}

// FAULTS 69: a name that an archive gives to two images is refused.
func TestFault69OneNameForTwoImages(t *testing.T) {
	from := newStore(t)
	set := mustImport(t, from, bundleOf(t, small()))
	tr := ociTree(t, from, set)
	one := nameOf(set.Images[0])
	tr["index.json"] = []byte(strings.Replace(string(tr["index.json"]), nameOf(set.Images[1]), one, 1))
	st := newStore(t)
	_, err := Import(t.Context(), tr.write(t), st, ImportOptions{})
	var refused *RefusedError
	if !errors.Is(err, ErrConflict) || !errors.As(err, &refused) || refused.Image != one {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}
