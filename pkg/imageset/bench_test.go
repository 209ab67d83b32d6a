package imageset

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func BenchmarkImport(b *testing.B) {
	bundle := bundleOf(b, sample.Options{Count: 8, LayerSize: 16 << 20})
	st := newStore(b)
	b.SetBytes(int64(len(bundle)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		emptyStore(b, st)
		b.StartTimer()
		if _, err := ImportStream(context.Background(), bytes.NewReader(bundle), st, ImportOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSink writes, and makes last, what BenchmarkPackReader reads, in such pieces
// as the native protocol brings.
func BenchmarkSink(b *testing.B) {
	st, pack := benchPack(b)
	raw, err := io.ReadAll(pack.Reader(st))
	if err != nil {
		b.Fatal(err)
	}
	to := newStore(b)
	const segment = 1_099_776
	sums := sumsOf(b, pack, raw, segment)
	b.SetBytes(pack.Size())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		emptyStore(b, to)
		b.StartTimer()
		sink := NewSink(pack, to, nil)
		for i, at := 0, 0; at < len(raw); i, at = i+1, at+segment {
			isGood, err := sink.WriteSegment(raw[at:min(at+segment, len(raw))], int64(at), sums[i], sums[i+1])
			if !isGood || err != nil {
				b.Fatal(isGood, err)
			}
		}
		if err := sink.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPackReader(b *testing.B) {
	st, pack := benchPack(b)
	b.SetBytes(pack.Size())
	b.ReportAllocs()
	buf := make([]byte, 1<<20)
	for b.Loop() {
		r := pack.Reader(st)
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// emptyStore gives the pages of the last round back: memory that a virtual
// machine has never touched is slow, and not what is measured.
func emptyStore(b *testing.B, st *store.Store) {
	b.Helper()
	if err := os.RemoveAll(filepath.Join(st.Dir(), store.RegistryRoot)); err != nil {
		b.Fatal(err)
	}
}

func benchPack(b *testing.B) (*store.Store, Pack) {
	b.Helper()
	st := newStore(b)
	set := mustImport(b, st, bundleOf(b, sample.Options{Count: 8, LayerSize: 16 << 20}))
	pack, err := NewPack(set.Blobs)
	if err != nil {
		b.Fatal(err)
	}
	return st, pack
}

// The forms of a source that can be read in any order are hashed and written by all
// cores; a packed one is as fast as it unpacks.
func BenchmarkImportForms(b *testing.B) {
	from := newStore(b)
	set := mustImport(b, from, bundleOf(b, sample.Options{Count: 16, LayerSize: 16 << 20}))
	if err := from.Activate(set.ID); err != nil {
		b.Fatal(err)
	}
	tgz, plain := filepath.Join(b.TempDir(), "x.tgz"), filepath.Join(b.TempDir(), "x.tar")
	for _, path := range []string{tgz, plain} {
		if err := os.WriteFile(path, packedBundle(b, from, set, path), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "docker"), os.DirFS(filepath.Join(from.Dir(), "docker"))); err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"directory": dir, "tar": plain, "tgz": tgz, "oci": ociTree(b, from, set).write(b)} {
		b.Run("import/"+name, func(b *testing.B) {
			st := newStore(b)
			b.SetBytes(set.TotalSize())
			for b.Loop() {
				b.StopTimer()
				emptyStore(b, st)
				b.StartTimer()
				if _, err := Import(context.Background(), path, st, ImportOptions{Force: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("check/"+name, func(b *testing.B) {
			b.SetBytes(set.TotalSize())
			for b.Loop() {
				if _, err := Check(context.Background(), Place{Path: path}, ImportOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
