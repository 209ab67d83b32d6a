package imageset

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

var elsewhere = store.DigestOf([]byte("on another registry"))

// multiArch puts an index in the place of the first tag's manifest: the image
// itself for amd64, and one that is absent for each of the platforms. Without
// the image only those are in it.
func multiArch(t *testing.T, files tarFiles, withImage bool, platforms ...string) tarFiles {
	t.Helper()
	i := files.tag(t)
	d := store.Digest(files[i].body)
	entry := func(d store.Digest, size int, platform string) string {
		os, arch, _ := strings.Cut(platform, "/")
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":%q,"architecture":%q}}`,
			store.MediaTypeDockerManifest, d, size, os, arch)
	}
	var list []string
	if withImage {
		list = append(list, entry(d, len(files[files.blob(t, d)].body), "linux/amd64"))
	}
	for _, p := range platforms {
		list = append(list, entry(elsewhere, 500, p))
	}
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + store.MediaTypeDockerList + `","manifests":[` + strings.Join(list, ",") + `]}`)
	index := store.DigestOf(raw)
	repo, _, _ := strings.Cut(files[i].h.Name, "/_manifests/")
	root, _, _ := strings.Cut(repo, "/repositories/")
	out := slices.Clone(files)
	out[i].body = []byte(index)
	return append(out,
		tarFile{tar.Header{Typeflag: tar.TypeReg, Name: repo + "/_manifests/revisions/sha256/" + index.Hex() + "/link"}, []byte(index)},
		tarFile{tar.Header{Typeflag: tar.TypeReg, Name: root + "/blobs/sha256/" + index.Hex()[:2] + "/" + index.Hex() + "/data"}, raw})
}

func importNoting(t *testing.T, st *store.Store, files tarFiles) (set *store.Set, notes []string, err error) {
	t.Helper()
	set, err = ImportStream(t.Context(), bytes.NewReader(files.tar(t)), st,
		ImportOptions{Note: func(s string) { notes = append(notes, s) }})
	return set, notes, err
}

// Kolla's multi-arch tags, saved for one architecture: what import takes can be
// activated too.
func TestImportOfAMultiArchTagWithOneArchitecture(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	st := newStore(t)
	set, notes, err := importNoting(t, st, multiArch(t, files, true, "linux/arm64", "linux/ppc64le", "windows/amd64", "unknown/unknown"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(set.Architectures, []string{"amd64"}) {
		t.Errorf("architectures: %v", set.Architectures)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
	if len(notes) != 4 || !strings.HasPrefix(notes[0], "kolla/centos-source-keystone:6.0.0: the image for linux/arm64, "+string(elsewhere)) {
		t.Errorf("notes: %q", notes)
	}
}

func TestImportRefusesAnIndexThatLacksWhatItShouldHave(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	for name, f := range map[string]tarFiles{
		"own architecture": multiArch(t, files, true, "linux/arm64", "linux/amd64"),
		"nothing whole":    multiArch(t, files, false, "linux/arm64"),
		"attestation only": multiArch(t, files, false, "unknown/unknown", "linux/arm64"),
		"no platform":      multiArch(t, files, true, "/"),
	} {
		st := newStore(t)
		_, notes, err := importNoting(t, st, f)
		if !errors.Is(err, ErrMissingBlob) || !strings.Contains(err.Error(), "kolla/centos-source-keystone:6.0.0") ||
			!strings.Contains(err.Error(), string(elsewhere)) || len(notes) > 0 {
			t.Errorf("%s: got %v, notes %q", name, err, notes)
		}
		checkEmpty(t, st)
	}
}

// A platform of which a layer is absent is not one that the bundle does not carry.
func TestImportRefusesAPlatformInPieces(t *testing.T) {
	files := multiArch(t, unpackBundle(t, bundleOf(t, small())), true, "linux/arm64")
	st := newStore(t)
	i := files.find(t, func(name string) bool { return strings.Contains(name, "/_layers/") })
	layer := store.Digest(files[i].body)
	j := files.blob(t, layer)
	if _, _, err := importNoting(t, st, append(files[:j:j], files[j+1:]...)); !errors.Is(err, ErrMissingBlob) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}

// A foreign layer that is absent is named: engines fetch it from elsewhere.
func TestImportNamesAbsentForeignLayers(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	old := store.Digest(files[files.tag(t)].body)
	layer := files.layer(t)
	// Only the last layer becomes a foreign one.
	m := string(files[files.blob(t, old)].body)
	at := strings.LastIndex(m, "rootfs.diff")
	m = strings.ReplaceAll(m[:at]+"rootfs.foreign.diff"+m[at+len("rootfs.diff"):], string(layer), string(elsewhere))
	st := newStore(t)
	set, notes, err := importNoting(t, st, replaceManifest(files, old, m))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Activate(set.ID); err != nil {
		t.Error(err)
	}
	want := "kolla/centos-source-keystone:6.0.0: the foreign layer " + string(elsewhere)
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, want) }) {
		t.Errorf("notes: %q", notes)
	}
}

func TestImportNamesSomeOfManyAbsentImages(t *testing.T) {
	im := newImporter(newStore(t), ImportOptions{})
	var notes []string
	im.opts.Note = func(s string) { notes = append(notes, s) }
	im.absent = slices.Repeat([]string{"x"}, maxNotes+7)
	im.noteAbsent()
	if len(notes) != maxNotes+1 || !strings.HasPrefix(notes[maxNotes], "7 more") {
		t.Errorf("%d notes, the last %q", len(notes), notes[len(notes)-1])
	}
}
