package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
)

// Every bad blob is named, with all the images that need it; a blob that two
// sets share is read and named once.
func TestVerifySetsNamesBlobsAndImages(t *testing.T) {
	s := newTestStore(t)
	one, two := activate(t, s, "one"), activate(t, s, "two")
	sets := []*Set{one, two}
	if bad, err := s.VerifySets(t.Context(), sets, 3); err != nil || len(bad) > 0 {
		t.Fatalf("a good store: %v, %v", bad, err)
	}
	shared := DigestOf([]byte("base"))
	if err := os.WriteFile(s.blobPath(shared), []byte("rott"), 0o644); err != nil {
		t.Fatal(err)
	}
	manifest := two.Images[0].Manifest
	if err := os.Remove(s.blobPath(manifest)); err != nil {
		t.Fatal(err)
	}
	bad, err := s.VerifySets(t.Context(), sets, 3)
	if err != nil || len(bad) != 2 {
		t.Fatalf("got %v, %v", bad, err)
	}
	slices.SortFunc(bad, func(a, b BadBlob) int { return int(a.Blob.Size - b.Blob.Size) })
	base, gone := bad[0], bad[1]
	if base.Blob.Digest != shared || !errors.Is(base.Err, ErrDigestMismatch) {
		t.Errorf("layer: %+v", base)
	}
	// Both images of set one, and the one of set two whose manifest can be read.
	if want := []Image{one.Images[0], one.Images[1], two.Images[1]}; len(base.Images) != 3 || !containsAll(base.Images, want) {
		t.Errorf("images of the layer: %v", base.Images)
	}
	if gone.Blob.Digest != manifest || !errors.Is(gone.Err, fs.ErrNotExist) || !slices.Equal(gone.Images, two.Images[:1]) {
		t.Errorf("manifest: %+v", gone)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.VerifySets(ctx, sets, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func containsAll(have, want []Image) bool {
	return !slices.ContainsFunc(want, func(m Image) bool { return !slices.Contains(have, m) })
}
