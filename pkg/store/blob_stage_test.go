package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func stagedBlob(t *testing.T, s *Store, data []byte) *BlobStage {
	t.Helper()
	g, err := s.StageBlob(Blob{DigestOf(data), int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestStagedBlobInAnyOrder(t *testing.T) {
	s := newTestStore(t)
	data := bytes.Repeat([]byte("layer"), 5000)
	g := stagedBlob(t, s, data)
	buf := make([]byte, 700)
	put := func(from, to int) {
		t.Helper()
		if n, err := g.WriteAt(data[from:to], int64(from)); n != to-from || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	put(20_000, 25_000)
	g.Rest()
	put(0, 1)
	if err := g.Hash(1, buf); err != nil {
		t.Fatal(err)
	}
	put(1, 20_000)
	g.Rest()
	if err := g.Hash(25_000, buf); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(DigestOf(data)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before commit: %v", err)
	}
	if err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadBlob(DigestOf(data), 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := g.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestStagedBlobRefuses(t *testing.T) {
	data := []byte("abc")
	buf := make([]byte, 10)
	for name, tt := range map[string]struct {
		do   func(s *Store, g *BlobStage) error
		want error
	}{
		"other bytes": {func(_ *Store, g *BlobStage) error {
			g.WriteAt([]byte("axc"), 0)
			return errors.Join(g.Hash(3, buf), g.Commit())
		}, ErrDigestMismatch},
		"not all": {func(_ *Store, g *BlobStage) error {
			g.WriteAt(data[:2], 0)
			return errors.Join(g.Hash(2, buf), g.Commit())
		}, ErrSizeMismatch},
		"more": {func(_ *Store, g *BlobStage) error {
			_, err := g.WriteAt(data, 1)
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"before the beginning": {func(_ *Store, g *BlobStage) error {
			_, err := g.WriteAt(data, -1)
			return errors.Join(err, g.Abort())
		}, ErrSizeMismatch},
		"a hole": {func(_ *Store, g *BlobStage) error { // hashed, although not all was written
			g.WriteAt(data[:1], 0)
			return errors.Join(g.Hash(3, buf), g.Abort())
		}, io.ErrUnexpectedEOF},
		"gone": {func(s *Store, g *BlobStage) error {
			g.Rest()
			os.Remove(filepath.Join(s.stagingPath, staged(t, s)[0]))
			_, err := g.WriteAt(data, 0)
			g.Abort()
			return err
		}, fs.ErrNotExist},
		"after the end": {func(_ *Store, g *BlobStage) error {
			g.Abort()
			_, err := g.WriteAt(data, 0)
			return err
		}, os.ErrClosed},
	} {
		s := newTestStore(t)
		if err := tt.do(s, stagedBlob(t, s, data)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if _, err := s.Stat(DigestOf(data)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it is in the store: %v", name, err)
		}
		if left := staged(t, s); len(left) != 0 {
			t.Errorf("%s: left over: %v", name, left)
		}
	}
}
