package imageset

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func putBlob(t testing.TB, st *store.Store, data string) store.Blob {
	t.Helper()
	b := blobOf(data)
	w, err := st.NewBlob(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return b
}

func blobOf(data string) store.Blob {
	return store.Blob{Digest: store.DigestOf([]byte(data)), Size: int64(len(data))}
}

func packOf(t testing.TB, contents ...string) Pack {
	t.Helper()
	var blobs []store.Blob
	for _, c := range contents {
		blobs = append(blobs, blobOf(c))
	}
	p, err := NewPack(blobs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// spaceOf returns the byte space of a pack of contents.
func spaceOf(contents ...string) string {
	var sb strings.Builder
	for _, c := range contents {
		sb.WriteString(strings.Repeat("\x00", (64-sb.Len()%64)%64))
		sb.WriteString(c)
	}
	return sb.String()
}

func blobFile(st *store.Store, d store.Digest) string {
	return filepath.Join(st.Dir(), store.RegistryRoot, "blobs/sha256", d.Hex()[:2], d.Hex(), "data")
}

func TestPackReaderIsTheBlobsOneAfterTheOther(t *testing.T) {
	st := newStore(t)
	contents := []string{"first", "", strings.Repeat("second", 10_000), "third"}
	for _, c := range contents {
		putBlob(t, st, c)
	}
	p := packOf(t, contents...)
	want := spaceOf(contents...)
	content := int64(len(strings.Join(contents, "")))
	if p.Size() != int64(len(want)) || p.Content(p.Size()) != content || len(p.Blobs()) != 4 {
		t.Errorf("size is %d, of which %d are content", p.Size(), p.Content(p.Size()))
	}
	for n, want := range map[int64]int64{0: 0, 3: 3, 5: 5, 64: 5, 65: 6, p.Size() - 1: content - 1} {
		if got := p.Content(n); got != want {
			t.Errorf("of %d bytes %d are content, want %d", n, got, want)
		}
	}
	if err := iotest.TestReader(p.Reader(st), []byte(want)); err != nil {
		t.Error(err)
	}
	var none Pack
	if n, err := none.Reader(st).Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("empty pack: %d, %v", n, err)
	}
	r := p.Reader(st)
	if _, err := r.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 3)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestNewPackRefuses(t *testing.T) {
	b := blobOf("x")
	for name, blobs := range map[string][]store.Blob{
		"double":   {b, b},
		"digest":   {{Digest: "sha256:x", Size: 1}},
		"negative": {{Digest: b.Digest, Size: -1}},
		"huge":     {{Digest: b.Digest, Size: store.MaxBlobSize + 1}},
		"many":     make([]store.Blob, store.MaxBlobs+1),
	} {
		if _, err := NewPack(blobs); !errors.Is(err, ErrPack) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FAULTS 67: a blob changes on the deploy server's disk while it is sent.
func TestFault67ChangedBlobEndsTheReading(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"flipped":  func(p string) error { return os.WriteFile(p, []byte("B"), 0o644) },
		"grown":    func(p string) error { return os.WriteFile(p, []byte("bb"), 0o644) },
		"cut":      func(p string) error { return os.Truncate(p, 0) },
		"gone":     os.Remove,
		"replaced": func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) },
	} {
		st := newStore(t)
		for _, c := range []string{"a", "b", "c"} {
			putBlob(t, st, c)
		}
		p := packOf(t, "a", "b", "c")
		bad := p.Blobs()[1].Digest
		if err := spoil(blobFile(st, bad)); err != nil {
			t.Fatal(err)
		}
		r := p.Reader(st)
		got, err := io.ReadAll(r)
		var blob *store.BlobError
		if !errors.Is(err, ErrChanged) || !errors.As(err, &blob) || blob.Digest != bad {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(got, []byte("c")) {
			t.Errorf("%s: reading went on: %q", name, got)
		}
		if n, again := r.Read(make([]byte, 9)); n != 0 || !errors.Is(again, ErrChanged) {
			t.Errorf("%s: then %d, %v", name, n, again)
		}
		r.Close()
	}
}

// FAULTS 67: it is cut while its first bytes are on their way.
func TestFault67BlobCutUnderWay(t *testing.T) {
	st := newStore(t)
	data := strings.Repeat("0123456789", 100_000)
	b := putBlob(t, st, data)
	r := packOf(t, data).Reader(st)
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(blobFile(st, b.Digest), 2000); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, ErrChanged) {
		t.Errorf("%d bytes more, %v", n, err)
	}
}

// TestPackAtIsThePack: what is read at any place is what is read in order.
func TestPackAtIsThePack(t *testing.T) {
	st := newStore(t)
	contents := []string{"first", "", strings.Repeat("second", 10_000), strings.Repeat("x", 64), "third"}
	for _, c := range contents {
		putBlob(t, st, c)
	}
	want := []byte(spaceOf(contents...))
	p := packOf(t, contents...)
	at := p.At(st)
	defer at.Close()
	for _, size := range []int{1, 63, 1432, 100_000, len(want)} {
		for off := 0; off < len(want); off += size + 997 {
			got := bytes.Repeat([]byte{0xff}, min(size, len(want)-off))
			if n, err := at.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got[:n], want[off:off+len(got)]) {
				t.Fatalf("%d bytes at %d: %d came, %v", size, off, n, err)
			}
		}
	}
	if n, err := at.ReadAt(make([]byte, 10), p.Size()-3); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("past the end: %d, %v", n, err)
	}
	if n, err := at.ReadAt(make([]byte, 10), p.Size()+3); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if _, err := at.ReadAt(make([]byte, 10), -1); !errors.Is(err, ErrPack) {
		t.Errorf("before the beginning: %v", err)
	}
}

// FAULTS 67: a Summer says so before it takes what comes after the changed blob, and
// goes no further.
func TestFault67SummerFindsTheChange(t *testing.T) {
	p := packOf(t, strings.Repeat("one", 100), "two", "six")
	space := []byte(spaceOf(strings.Repeat("one", 100), "TWO", "six"))
	s := p.Summer()
	if n, err := s.Write(space[:128]); n != 128 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	var blob *store.BlobError
	if n, err := s.Write(space[128:]); n != 323-128 || !errors.Is(err, ErrChanged) || !errors.As(err, &blob) || blob.Digest != p.blobs[1].Digest {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := s.Write([]byte("more")); n != 0 || !errors.Is(err, ErrChanged) {
		t.Errorf("then %d, %v", n, err)
	}
	if n, err := packOf(t, "one").Summer().Write([]byte("one more")); n != 0 || !errors.Is(err, ErrPack) {
		t.Errorf("more than the pack has: %d, %v", n, err)
	}
}
