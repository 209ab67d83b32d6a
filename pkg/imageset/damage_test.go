package imageset

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// FAULTS 66: whatever form a bundle has and wherever in it the damaged blobs lie, the
// image and the blob are named, and how many more there are.
func TestFault66DamageNamesTheImage(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	layer := files.layer(t)
	damaged := slices.Clone(files)
	for i, f := range files {
		isBlob := strings.HasSuffix(f.h.Name, "/data")
		if isBlob && (strings.Contains(f.h.Name, layer.Hex()) || len(f.body) > 2000) {
			damaged[i].body = bytes.Clone(f.body)
			damaged[i].body[9] ^= 1
		}
	}
	dir := filepath.Join(t.TempDir(), "reg")
	unpackInto(t, dir, damaged)
	for name, path := range map[string]string{
		"Packed": writeBundle(t, gzipped(t, damaged.tar(t))), "Plain": writeBundle(t, damaged.tar(t)), "Directory": dir,
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			check := func(err error) {
				t.Helper()
				var refused *RefusedError
				if !errors.As(err, &refused) || !errors.Is(err, store.ErrDigestMismatch) {
					t.Fatalf("got %v", err)
				}
				if !strings.HasPrefix(refused.Image, "kolla/") || refused.Blob == "" || strings.Count(err.Error(), string(refused.Blob)) != 1 {
					t.Errorf("got %q", err)
				}
				if !strings.Contains(err.Error(), "2 more blobs are damaged") {
					t.Errorf("not all are counted: %q", err)
				}
			}
			_, err := Import(t.Context(), path, st, ImportOptions{})
			check(err)
			checkEmpty(t, st)
			_, err = Check(t.Context(), Place{Path: path}, ImportOptions{})
			check(err)
			if !strings.Contains(err.Error(), path+": image ") {
				t.Errorf("the source is not named: %q", err)
			}
		})
	}
}

// All that a source can be refused for comes with advice.
func TestAdvice(t *testing.T) {
	for _, err := range []error{ErrNotBundle, ErrTruncated, ErrCorrupt, ErrUnsafe, ErrTooLarge, ErrMissingBlob, ErrNoRevision,
		ErrCheckSum, ErrNoSpace, ErrSourceChanged, ErrOrigin, ErrForeign, ErrNoImage, ErrConflict, ErrNoBundle, ErrManyBundles, ErrUnsigned,
		store.ErrDigestMismatch, store.ErrSizeMismatch, store.ErrManifest} {
		if Advice(&RefusedError{Image: "x:1", Err: err}) == "" {
			t.Errorf("no advice for %v", err)
		}
	}
	if text := Advice(errors.New("something else")); text != "" {
		t.Errorf("got %q", text)
	}
}
