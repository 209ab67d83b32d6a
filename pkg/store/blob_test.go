package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBlobIsThereOnlyAfterCommit(t *testing.T) {
	s := newTestStore(t)
	data := bytes.Repeat([]byte("layer"), 5000)
	b := Blob{DigestOf(data), int64(len(data))}
	w, err := s.NewBlob(b)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := data; len(chunk) > 0; chunk = chunk[min(700, len(chunk)):] {
		if _, err := w.Write(chunk[:min(700, len(chunk))]); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(s.stagingPath, staged(t, s)[0])
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("staged with mode %v, %v", info.Mode(), err)
	}
	if _, err := s.Stat(b.Digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before commit: %v", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Stat(b.Digest); err != nil || got != b {
		t.Errorf("after commit: %v, %v", got, err)
	}
	f, got, err := s.OpenBlob(b.Digest)
	if err != nil || got != b {
		t.Fatalf("opened %v, %v", got, err)
	}
	defer f.Close()
	if read, err := io.ReadAll(f); err != nil || !bytes.Equal(read, data) {
		t.Errorf("read %d bytes, %v", len(read), err)
	}
	info, err := os.Stat(filepath.Join(s.Dir(), "docker/registry/v2/blobs/sha256", b.Digest.Hex()[:2], b.Digest.Hex(), "data"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("registry:2's file: %v, %v", info, err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
}

func TestCommitRefusesOtherBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		write string
		want  error
	}{
		"flipped": {"axc", ErrDigestMismatch},
		"short":   {"ab", ErrSizeMismatch},
		"long":    {"abcd", ErrSizeMismatch},
	} {
		s := newTestStore(t)
		w, err := s.NewBlob(Blob{DigestOf([]byte("abc")), 3})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte(tt.write))
		if err == nil {
			err = w.Commit()
		}
		var blob *BlobError
		if !errors.Is(err, tt.want) || !errors.As(err, &blob) || blob.Digest != w.Blob().Digest {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("%s: abort: %v", name, err)
		}
		if left := staged(t, s); len(left) != 0 {
			t.Errorf("%s: left over: %v", name, left)
		}
		if err := w.Commit(); err == nil {
			t.Errorf("%s: committed after abort", name)
		}
		if _, err := s.Stat(w.Blob().Digest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: in the store: %v", name, err)
		}
	}
}

func TestNewBlobRefuses(t *testing.T) {
	s := newTestStore(t)
	for _, b := range []Blob{{"sha256:../../../etc/passwd", 1}, {"", 1}, {d1, -1}, {d1, MaxBlobSize + 1}} {
		if _, err := s.NewBlob(b); err == nil {
			t.Errorf("%v was taken", b)
		}
	}
	if _, err := s.NewBlob(Blob{d1, MaxBlobSize}); err == nil {
		t.Error("a TiB was reserved")
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestCommitReplacesADamagedBlob(t *testing.T) {
	s := newTestStore(t)
	b := putBlob(t, s, []byte("right"))
	if err := os.WriteFile(s.blobPath(b.Digest), []byte("wrong"), 0o644); err != nil {
		t.Fatal(err)
	}
	putBlob(t, s, []byte("right"))
	if data, err := s.ReadBlob(b.Digest, 10); err != nil || string(data) != "right" {
		t.Errorf("got %q, %v", data, err)
	}
}

// FAULTS 19: the disk fills while a blob is written.
func TestFault19NoSpaceWhileWriting(t *testing.T) {
	s := newTestStore(t)
	s.testOnly.write = func(f io.Writer, p []byte) (int, error) {
		n, _ := f.Write(p[:len(p)/2])
		return n, unix.ENOSPC
	}
	w, err := s.NewBlob(Blob{DigestOf([]byte("abcd")), 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abcd")); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("write: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, ErrSizeMismatch) {
		t.Errorf("commit: %v", err)
	}
	g := stagedBlob(t, s, []byte("efgh"))
	if n, err := g.WriteAt([]byte("gh"), 2); n != 1 || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("write in any order: %d, %v", n, err)
	}
	if err := g.Commit(); !errors.Is(err, ErrSizeMismatch) {
		t.Errorf("commit: %v", err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// FAULTS 20: the disk turns out to be full at fsync only.
func TestFault20NoSpaceAtSync(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	s.testOnly.fsync = func(*os.File) error { return unix.ENOSPC }
	w, err := s.NewBlob(set.Blobs[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(c[set.Blobs[0].Digest]); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("commit: %v", err)
	}
	if err := s.PutSet(set); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("put: %v", err)
	}
	if sets, err := s.Sets(); err != nil || len(sets) != 0 {
		t.Errorf("sets: %v, %v", sets, err)
	}
	if n := len(s.Missing(set)); n != len(set.Blobs) {
		t.Errorf("%d blobs missing, want all", n)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// FAULTS 8, 23, 24: what lies on disk is proven again, not trusted.
func TestFault24VerifyNamesEachBadBlob(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	fill(t, s, set, c)
	if err := s.VerifyBlobs(context.Background(), set.Blobs, 0); err != nil {
		t.Fatal(err)
	}
	flipped, cut, gone := set.Blobs[0], set.Blobs[2], set.Blobs[4]
	data := bytes.Clone(c[flipped.Digest])
	data[0] ^= 1
	if err := errors.Join(os.WriteFile(s.blobPath(flipped.Digest), data, 0o644),
		os.Truncate(s.blobPath(cut.Digest), 1), s.RemoveBlob(gone.Digest)); err != nil {
		t.Fatal(err)
	}
	err := s.VerifyBlobs(context.Background(), set.Blobs, 3)
	for _, want := range []error{ErrDigestMismatch, ErrSizeMismatch, fs.ErrNotExist} {
		if !errors.Is(err, want) {
			t.Errorf("no %v in %v", want, err)
		}
	}
	for i, b := range set.Blobs {
		if named, bad := strings.Contains(err.Error(), string(b.Digest)), i == 0 || i == 2 || i == 4; named != bad {
			t.Errorf("blob %d: named is %v", i, named)
		}
	}
	if _, err := s.ReadBlob(flipped.Digest, 1<<20); !errors.Is(err, ErrDigestMismatch) {
		t.Errorf("read: %v", err)
	}
	// A removed blob is missing, so the next run fetches it.
	if err := s.RemoveBlob(flipped.Digest); err != nil {
		t.Fatal(err)
	}
	if got := s.Missing(set); len(got) != 3 || got[0] != 0 || got[1] != 2 || got[2] != 4 {
		t.Errorf("missing: %v", got)
	}
	if err := s.RemoveBlob(flipped.Digest); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// FAULTS 22: what cannot be read back is named.
func TestFault22UnreadableBlob(t *testing.T) {
	s := newTestStore(t)
	b := putBlob(t, s, []byte("x"))
	path := s.blobPath(b.Digest)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil { // reading gives EISDIR
		t.Fatal(err)
	}
	err := s.VerifyBlobs(context.Background(), []Blob{b}, 1)
	var blob *BlobError
	if !errors.As(err, &blob) || blob.Digest != b.Digest {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Symlink("/etc/hostname", path)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.OpenBlob(b.Digest); err == nil {
		t.Error("a symbolic link was followed")
	}
	if _, err := s.Stat(b.Digest); err == nil {
		t.Error("a symbolic link is a blob")
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	fill(t, s, set, c)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.VerifyBlobs(ctx, set.Blobs, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReadBlobIsBounded(t *testing.T) {
	s := newTestStore(t)
	b := putBlob(t, s, []byte("four"))
	if _, err := s.ReadBlob(b.Digest, 3); !errors.Is(err, ErrSizeMismatch) {
		t.Errorf("got %v", err)
	}
	if _, err := s.ReadBlob("sha256:x", 3); !errors.Is(err, ErrDigest) {
		t.Errorf("got %v", err)
	}
}
