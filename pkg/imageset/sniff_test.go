package imageset

import (
	"archive/tar"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A packed source that begins with a large file under a name that tells nothing is
// what the rest of it says: an archive, or a bundle.
func TestPackedSourceThatBeginsWithALargeFile(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	st := newStore(t)
	want := mustImport(t, st, gzipped(t, files.tar(t)))
	big := tarFile{tar.Header{Typeflag: tar.TypeReg, Name: "0/layer.tar", Mode: 0o644}, bytes.Repeat([]byte("layer"), sniffed)}
	archive := tarFiles{big}
	tree := ociTree(t, st, want)
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		archive = append(archive, tarFile{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, tree[name]})
	}
	for what, files := range map[string]tarFiles{"bundle": append(tarFiles{big}, files...), "archive": archive} {
		var notes []string
		set, err := ImportStream(t.Context(), bytes.NewReader(gzipped(t, files.tar(t))), newStore(t),
			ImportOptions{Note: func(s string) { notes = append(notes, s) }})
		if err != nil || set.ID != want.ID {
			t.Errorf("%s: got %v, %v", what, set, err)
		}
		if what == "bundle" && !strings.Contains(strings.Join(notes, "\n"), big.h.Name) {
			t.Errorf("the file that was left out is not named: %q", notes)
		}
	}
}
