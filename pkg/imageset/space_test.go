package imageset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// TestR16SpaceForTheWholeSource: a source of which each blob has room, but not all of
// them, is refused before one is written, in whatever form it comes. What the store has
// already needs none.
func TestR16SpaceForTheWholeSource(t *testing.T) {
	onSmallDisk(t, "size=36m", func(dir string) {
		opts := sample.Options{Count: 4, LayerSize: 5 << 20} // 30 MiB in all
		for form, path := range sourcesOf(t, opts) {
			st, err := store.Create(store.Config{Dir: filepath.Join(dir, form)})
			if err != nil {
				t.Fatal(err)
			}
			filler := filepath.Join(dir, "filler")
			if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Import(context.Background(), path, st, ImportOptions{Progress: func(int64, int64) {
				t.Errorf("%s: a part of it was taken", form)
			}})
			if !errors.Is(err, ErrNoSpace) {
				t.Errorf("%s: got %v, want ErrNoSpace", form, err)
			}
			checkEmpty(t, st)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if _, err := Import(context.Background(), path, st, ImportOptions{}); err != nil {
				t.Errorf("%s, with room: %v", form, err)
			}
			// With 6 MiB left, and read anew: nothing is missing.
			if _, err := Import(context.Background(), path, st, ImportOptions{Images: []string{"*"}}); err != nil {
				t.Errorf("%s, again: %v", form, err)
			}
			st.Close()
			if err := os.RemoveAll(filepath.Join(dir, form)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestR16InodesForTheWholeSource is the same for files.
func TestR16InodesForTheWholeSource(t *testing.T) {
	onSmallDisk(t, "size=64m,nr_inodes=40", func(dir string) {
		for form, path := range sourcesOf(t, sample.Options{Count: 12, LayerSize: 1 << 10}) {
			st, err := store.Create(store.Config{Dir: filepath.Join(dir, form)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = Import(context.Background(), path, st, ImportOptions{}); !errors.Is(err, ErrNoSpace) {
				t.Errorf("%s: got %v, want ErrNoSpace", form, err)
			}
			checkEmpty(t, st)
			st.Close()
			if err := os.RemoveAll(filepath.Join(dir, form)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// sourcesOf writes the same bundle in all forms: packed, plain, as a directory.
func sourcesOf(t *testing.T, o sample.Options) map[string]string {
	t.Helper()
	dir := t.TempDir()
	packed := bundleOf(t, o)
	files := unpackBundle(t, packed)
	out := map[string]string{
		"tgz": filepath.Join(dir, "b.tgz"), "tar": filepath.Join(dir, "b.tar"), "directory": filepath.Join(dir, "unpacked"),
	}
	for path, content := range map[string][]byte{out["tgz"]: packed, out["tar"]: files.tar(t)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unpackInto(t, out["directory"], files)
	return out
}
