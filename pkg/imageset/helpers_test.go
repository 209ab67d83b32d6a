package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Create(store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func bundleOf(t testing.TB, o sample.Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := sample.Write(&buf, o); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func mustImport(t testing.TB, st *store.Store, bundle []byte) *store.Set {
	t.Helper()
	set, err := importBytes(st, bundle)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func importBytes(st *store.Store, bundle []byte) (*store.Set, error) {
	return ImportStream(context.Background(), bytes.NewReader(bundle), st, ImportOptions{})
}

// A tarFile is one entry of a bundle that a test changes.
type tarFile struct {
	h    tar.Header
	body []byte
}

type tarFiles []tarFile

func small() sample.Options { return sample.Options{Count: 2, LayerSize: 3000, SharedLayers: 1} }

func unpackBundle(t testing.TB, bundle []byte) tarFiles {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	var files tarFiles
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, tarFile{*h, body})
	}
}

func (files tarFiles) tar(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		if f.h.Typeflag == tar.TypeReg {
			f.h.Size = int64(len(f.body))
		}
		f.h.Format = tar.FormatUnknown
		if err := tw.WriteHeader(&f.h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// find returns the index of the first file whose name matches.
func (files tarFiles) find(t testing.TB, match func(name string) bool) int {
	t.Helper()
	i := slices.IndexFunc(files, func(f tarFile) bool { return f.h.Typeflag == tar.TypeReg && match(f.h.Name) })
	if i < 0 {
		t.Fatal("the sample has no such file")
	}
	return i
}

func (files tarFiles) tag(t testing.TB) int {
	t.Helper()
	return files.find(t, func(name string) bool { return strings.HasSuffix(name, "/current/link") })
}

func (files tarFiles) blob(t testing.TB, d store.Digest) int {
	t.Helper()
	return files.find(t, func(name string) bool { return strings.HasSuffix(name, d.Hex()+"/data") })
}

// layer returns the digest of the last layer, the image's own, of the image
// that the first tag names.
func (files tarFiles) layer(t testing.TB) store.Digest {
	t.Helper()
	d := store.Digest(files[files.tag(t)].body)
	m, err := store.ParseManifest(files[files.blob(t, d)].body)
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers[len(m.Layers)-1].Digest
}

func addFile(files tarFiles, name string, body string) tarFiles {
	return append(slices.Clone(files), tarFile{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, []byte(body)})
}

// checkEmpty fails when an import left something: blobs, sets, staged files.
func checkEmpty(t *testing.T, st *store.Store) {
	t.Helper()
	if sets, err := st.Sets(); err != nil || len(sets) > 0 {
		t.Errorf("sets are left: %v, %v", sets, err)
	}
	err := filepath.WalkDir(st.Dir(), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" {
			t.Errorf("left over: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
