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
	"github.com/klauspost/compress/zstd"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func TestImportTakesAnyPrefixAndPacking(t *testing.T) {
	bundle := bundleOf(t, small())
	want := mustImport(t, newStore(t), bundle)
	files := unpackBundle(t, bundle)
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	dotted := slices.Clone(files)
	for i := range dotted {
		dotted[i].h.Name = "./" + strings.TrimPrefix(dotted[i].h.Name, "tmp/registry/")
	}
	kolla := small()
	kolla.Prefix = "."
	for name, b := range map[string][]byte{
		"plain tar":  files.tar(t),
		"zstd":       zw.EncodeAll(files.tar(t), nil),
		"dots":       gzipped(t, dotted.tar(t)),
		"no prefix":  bundleOf(t, kolla),
		"links last": gzipped(t, slices.Concat(files[len(files)-1:], files[:len(files)-1]).tar(t)),
	} {
		set, err := importBytes(newStore(t), b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if set.ID != want.ID {
			t.Errorf("%s: another set", name)
		}
	}
}

func TestImportOfADirectory(t *testing.T) {
	st := newStore(t)
	set := mustImport(t, st, bundleOf(t, small()))
	if err := st.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "docker"), os.DirFS(filepath.Join(st.Dir(), "docker"))); err != nil {
		t.Fatal(err)
	}
	again, err := Import(context.Background(), dir, newStore(t), ImportOptions{})
	if err != nil || again.ID != set.ID {
		t.Fatalf("got %v, %v", again, err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "docker/registry/v2/blobs/sha256/link")); err != nil {
		t.Fatal(err)
	}
	to := newStore(t)
	if _, err := Import(context.Background(), dir, to, ImportOptions{}); !errors.Is(err, ErrUnsafe) {
		t.Errorf("symbolic link: %v", err)
	}
	checkEmpty(t, to)
}

func TestImportTellsProgressAndNotes(t *testing.T) {
	files := addFile(unpackBundle(t, bundleOf(t, small())), "tmp/registry-server.tar", "an image of registry:2")
	files = addFile(files, "tmp/registry/docker/registry/v2/repositories/kolla/x/_uploads/1234/startedat", "yesterday")
	path := filepath.Join(t.TempDir(), "kolla-image.tgz")
	bundle := gzipped(t, files.tar(t))
	if err := os.WriteFile(path, bundle, 0o644); err != nil {
		t.Fatal(err)
	}
	var notes []string
	var last, total int64
	_, err := Import(context.Background(), path, newStore(t), ImportOptions{
		Progress: func(r, n int64) { last, total = r, n },
		Note:     func(s string) { notes = append(notes, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(len(bundle)); last != want || total != want {
		t.Errorf("read %d of %d, want %d", last, total, want)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "registry-server.tar") {
		t.Errorf("notes: %q", notes)
	}
}

// FAULTS 66: a damaged bundle is refused before anything is sent, with the
// image and the blob named, and leaves nothing behind.
func TestFault66DamagedBundleIsRefused(t *testing.T) {
	bundle := bundleOf(t, small())
	files := unpackBundle(t, bundle)
	manifest := store.Digest(files[files.tag(t)].body)
	layer := files.layer(t)
	image := "kolla/centos-source-keystone:6.0.0"
	flip := func(i int) []byte {
		b := bytes.Clone(bundle)
		b[i] ^= 0x10
		return b
	}
	edit := func(i int, body func([]byte) []byte) []byte {
		f := slices.Clone(files)
		f[i].body = body(bytes.Clone(f[i].body))
		return gzipped(t, f.tar(t))
	}
	without := func(i int) []byte { return gzipped(t, slices.Delete(slices.Clone(files), i, i+1).tar(t)) }
	for _, tt := range []struct {
		name   string
		bundle []byte
		want   []error // any of
		text   []string
	}{
		{"truncated", bundle[:len(bundle)/2], []error{ErrTruncated}, nil},
		{"last byte cut", bundle[:len(bundle)-1], []error{ErrTruncated}, nil},
		{"empty", nil, []error{ErrTruncated}, nil},
		{"plain tar cut between entries", files[:len(files)-1].tar(t)[:cutAtEntry(t, files)], []error{ErrTruncated}, nil},
		{"bit flipped in the middle", flip(len(bundle) / 2), []error{ErrCorrupt, ErrTruncated, store.ErrDigestMismatch}, nil},
		{"bit flipped in gzip's checksum", flip(len(bundle) - 6), []error{ErrCorrupt}, nil},
		{"trailing bytes", append(bytes.Clone(bundle), "more"...), []error{ErrCorrupt, ErrTruncated}, nil},
		{"not a bundle", []byte(strings.Repeat("hello ", 500)), []error{ErrNotBundle}, []string{"not a tar"}},
		{"flipped layer", edit(files.blob(t, layer), func(b []byte) []byte { b[9] ^= 1; return b }),
			[]error{store.ErrDigestMismatch}, []string{image, layer.Hex()}},
		{"flipped layer, then cut", gzipped(t, func() []byte {
			f := slices.Clone(files)
			i := files.blob(t, layer)
			f[i].body = bytes.Clone(f[i].body)
			f[i].body[9] ^= 1
			raw := f.tar(t)
			return raw[:cutAtEntry(t, files)]
		}()), []error{store.ErrDigestMismatch}, []string{layer.Hex()}},
		{"cut layer", edit(files.blob(t, layer), func(b []byte) []byte { return b[:9] }),
			[]error{store.ErrDigestMismatch}, []string{image, layer.Hex()}},
		{"wrong manifest", edit(files.blob(t, manifest), func(b []byte) []byte { return append(b, ' ') }),
			[]error{store.ErrDigestMismatch}, []string{image, manifest.Hex()}},
		{"missing layer", without(files.blob(t, layer)), []error{ErrMissingBlob}, []string{image, string(layer)}},
		{"missing manifest", without(files.blob(t, manifest)), []error{ErrMissingBlob}, []string{image, string(manifest)}},
		{"missing revision", without(files.find(t, func(n string) bool { return strings.Contains(n, "revisions") })),
			[]error{ErrNoRevision}, []string{image, string(manifest)}},
		{"tag elsewhere", edit(files.tag(t), func([]byte) []byte { return []byte(layer) }),
			[]error{ErrNoRevision}, []string{image, string(layer)}},
		{"link with another digest", edit(files.find(t, func(n string) bool { return strings.Contains(n, "_layers") }),
			func([]byte) []byte { return []byte(store.DigestOf(nil)) }), []error{ErrCorrupt}, []string{"_layers"}},
		{"link without a digest", edit(files.tag(t), func([]byte) []byte { return []byte("sha256:x") }), []error{ErrCorrupt}, nil},
		{"no tags", gzipped(t, slices.DeleteFunc(slices.Clone(files), func(f tarFile) bool {
			return strings.HasSuffix(f.h.Name, "/current/link")
		}).tar(t)), []error{ErrNotBundle}, nil},
		{"nothing", gzipped(t, tarFiles{}.tar(t)), []error{ErrNotBundle}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStore(t)
			set, err := importBytes(st, tt.bundle)
			if set != nil || !slices.ContainsFunc(tt.want, func(want error) bool { return errors.Is(err, want) }) {
				t.Fatalf("got %v, %v", set, err)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not name %s", err, text)
				}
			}
			if Advice(err) == "" {
				t.Errorf("nothing says what to do about %q", err)
			}
			checkEmpty(t, st)
		})
	}
}

// cutAtEntry returns the length of the plain tar without its last entry and the
// end-of-archive mark.
func cutAtEntry(t *testing.T, files tarFiles) int {
	t.Helper()
	return len(files[:len(files)-1].tar(t)) - 1024
}

// FAULTS 66: a blob that no tag needs is not refused, it is left out.
func TestFault66ExtraBlobIsLeftOut(t *testing.T) {
	extra := store.DigestOf([]byte("extra"))
	files := addFile(unpackBundle(t, bundleOf(t, small())),
		"tmp/registry/docker/registry/v2/blobs/sha256/"+extra.Hex()[:2]+"/"+extra.Hex()+"/data", "extra")
	st := newStore(t)
	var notes []string
	set, err := ImportStream(context.Background(), bytes.NewReader(gzipped(t, files.tar(t))), st,
		ImportOptions{Note: func(s string) { notes = append(notes, s) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := set.Has(extra); ok {
		t.Error("the set lists the extra blob")
	}
	if _, err := st.Stat(extra); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the extra blob is in the store: %v", err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "1 blobs") {
		t.Errorf("notes: %q", notes)
	}
}

// FAULTS 68: entries that no registry:2 directory has, by name.
func TestFault68HostileEntriesAreRefused(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	root := "tmp/registry/docker/registry/v2/"
	blob := files[files.blob(t, files.layer(t))]
	hex := store.DigestOf(nil).Hex()
	for name, f := range map[string]tarFile{
		"parent":            file("../x"),
		"parent inside":     file(root + "../../../../../../etc/cron.d/x"),
		"absolute":          file("/etc/cron.d/x"),
		"dot inside":        file("tmp/./x"),
		"control character": file("tmp/x\x1b[2J"),
		"C1 control":        file("tmp/x\u009b2J"),
		"long name":         file(strings.Repeat("long/", 300) + "x"),
		"long component":    file("tmp/" + strings.Repeat("x", 256)),
		"symlink":           {tar.Header{Typeflag: tar.TypeSymlink, Name: root + "blobs/sha256/00", Linkname: "/etc"}, nil},
		"symlink outside":   {tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc"}, nil},
		"hard link":         {tar.Header{Typeflag: tar.TypeLink, Name: root + "x", Linkname: "/etc/passwd"}, nil},
		"character device":  {tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3}, nil},
		"block device":      {tar.Header{Typeflag: tar.TypeBlock, Name: "dev/sda", Devmajor: 8}, nil},
		"named pipe":        {tar.Header{Typeflag: tar.TypeFifo, Name: "pipe"}, nil},
		"duplicate blob":    blob,
		"duplicate link":    files[files.tag(t)],
		"duplicate dotted":  {tar.Header{Typeflag: tar.TypeReg, Name: "./" + blob.h.Name}, blob.body},
		"unknown file":      file(root + "blobs/readme"),
		"unknown in repo":   file(root + "repositories/kolla/x/_manifests/evil"),
		"unknown top":       file(root + "x"),
		"unknown directory": {tar.Header{Typeflag: tar.TypeDir, Name: root + "extra/"}, nil},
		"bad repository":    file(root + "repositories/Kolla/_layers/sha256/" + hex + "/link"),
		"bad tag":           file(root + "repositories/kolla/x/_manifests/tags/-t/current/link"),
		"wrong fan-out":     file(root + "blobs/sha256/00/" + hex + "/data"),
		"short digest":      file(root + "blobs/sha256/ab/abcd/data"),
		"second registry":   file("other/docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data"),
		"large link":        {tar.Header{Typeflag: tar.TypeReg, Name: root + "repositories/a/_manifests/tags/t/current/link"}, make([]byte, 1025)},
		"large version":     {tar.Header{Typeflag: tar.TypeReg, Name: "registry-1-2.version"}, make([]byte, maxVersion+1)},
		"second version":    file("registry-6.1.0-2.version"),
		"PAX sparse":        {tar.Header{Typeflag: tar.TypeReg, Name: "sparse", PAXRecords: map[string]string{"XNU.sparse.major": "9"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			raw, err := tarOf(append(slices.Clone(files), f))
			if err != nil {
				t.Fatalf("archive/tar does not write it: %v", err)
			}
			raw = bytes.ReplaceAll(raw, []byte("XNU.sparse"), []byte("GNU.sparse")) // tar.Writer leaves those out
			_, err = importBytes(st, raw)
			var refused *RefusedError
			if !errors.Is(err, ErrUnsafe) && !errors.Is(err, ErrTooLarge) || !errors.As(err, &refused) || refused.Entry == "" {
				t.Errorf("got %v", err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n\u009b") {
				t.Errorf("the message has control characters: %q", err)
			}
			checkEmpty(t, st)
		})
	}
}

func TestNamesInMessagesAreQuoted(t *testing.T) {
	for name, want := range map[string]string{
		"tmp/größe": "tmp/größe", "x\x1b[2J": `"x\x1b[2J"`, "x\u009b2J": `"x\u009b2J"`, "x\u202egnp": `"x\u202egnp"`, "x\xff": `"x\xff"`,
	} {
		if got := printable(name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func file(name string) tarFile {
	return tarFile{tar.Header{Typeflag: tar.TypeReg, Name: name}, []byte("x")}
}

func tarOf(files tarFiles) ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		f.h.Format = tar.FormatUnknown
		f.h.Size = int64(len(f.body))
		if err := tw.WriteHeader(&f.h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(f.body); err != nil {
			return nil, err
		}
	}
	err := tw.Close()
	return buf.Bytes(), err
}

// FAULTS 68: a sparse file as GNU tar writes it, which archive/tar only reads.
func TestFault68SparseFileIsRefused(t *testing.T) {
	raw := tarFiles{file("sparse")}.tar(t)
	raw[156] = tar.TypeGNUSparse
	copy(raw[257:], "ustar  \x00")
	clear(raw[345:500])
	copy(raw[386:], "00000000000\x0000000000001\x00") // one piece, at 0, of one byte
	copy(raw[483:], "00000000001\x00")                // real size
	copy(raw[148:156], "        ")
	sum := 0
	for _, c := range raw[:512] {
		sum += int(c)
	}
	copy(raw[148:], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	_, err := importBytes(newStore(t), raw)
	if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "sparse") {
		t.Errorf("got %v", err)
	}
}

// FAULTS 68, threat T9: a kilobyte that unpacks to a megabyte, over and over.
func TestFault68DecompressionBomb(t *testing.T) {
	pr, pw := io.Pipe()
	go func() {
		pw.CloseWithError(writeBomb(pw))
	}()
	defer pr.Close()
	st := newStore(t)
	_, err := ImportStream(context.Background(), pr, st, ImportOptions{})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}

// writeBomb ends when its reader does; the entry claims a tebibyte.
func writeBomb(w io.Writer) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: store.MaxBlobSize}); err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for {
		if _, err := tw.Write(zeros); err != nil {
			return err
		}
	}
}

// FAULTS 68: a million and one entries.
func TestFault68TooManyEntries(t *testing.T) {
	list := &tarEntries{tr: tar.NewReader(bytes.NewReader(tarFiles{file("a"), file("b")}.tar(t))), count: maxEntries - 1}
	if _, err := list.next(); err != nil {
		t.Fatalf("entry number %d: %v", maxEntries, err)
	}
	if _, err := list.next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
}

// FAULTS 18: a blob that the disk cannot hold is refused before it is read.
func TestFault18NoSpaceForABlob(t *testing.T) {
	im := newImporter(newStore(t), ImportOptions{})
	err := im.entry(context.Background(), entry{size: store.MaxBlobSize, body: strings.NewReader(""),
		name: "docker/registry/v2/blobs/sha256/" + store.DigestOf(nil).Hex()[:2] + "/" + store.DigestOf(nil).Hex() + "/data"})
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v", err)
	}
}

// FAULTS 69: manifests that are not what they should be.
func TestFault69UnusableManifests(t *testing.T) {
	files := unpackBundle(t, bundleOf(t, small()))
	old := store.Digest(files[files.tag(t)].body)
	m := string(files[files.blob(t, old)].body)
	for name, tt := range map[string]struct {
		manifest string
		want     error
		text     string
	}{
		"schema 1":   {`{"schemaVersion":1,"fsLayers":[]}`, store.ErrSchema1, "Docker schema 1"},
		"not JSON":   {`{`, store.ErrManifest, ""},
		"layer size": {strings.Replace(m, `"size":`, `"size":1`, 2), store.ErrSizeMismatch, "bytes"},
		"huge":       {m + strings.Repeat(" ", store.MaxManifest), store.ErrSizeMismatch, ""},
	} {
		changed := replaceManifest(files, old, tt.manifest)
		st := newStore(t)
		_, err := importBytes(st, gzipped(t, changed.tar(t)))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) ||
			!strings.Contains(err.Error(), "kolla/centos-source-keystone:6.0.0") {
			t.Errorf("%s: %v", name, err)
		}
		checkEmpty(t, st)
	}
}

// replaceManifest puts another manifest in the place of old, with its own digest.
func replaceManifest(files tarFiles, old store.Digest, manifest string) tarFiles {
	now := store.DigestOf([]byte(manifest))
	out := slices.Clone(files)
	for i := range out {
		out[i].h.Name = strings.ReplaceAll(out[i].h.Name, old.Hex()[:2]+"/"+old.Hex(), now.Hex()[:2]+"/"+now.Hex())
		out[i].h.Name = strings.ReplaceAll(out[i].h.Name, old.Hex(), now.Hex())
		if strings.HasSuffix(out[i].h.Name, now.Hex()+"/data") {
			out[i].body = []byte(manifest)
		}
		out[i].body = bytes.ReplaceAll(out[i].body, []byte(old), []byte(now))
	}
	return out
}

func TestImportEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	bundle := bundleOf(t, sample.Options{Count: 2, LayerSize: 8 << 20})
	st := newStore(t)
	_, err := ImportStream(ctx, bytes.NewReader(bundle), st, ImportOptions{
		Progress: func(read, _ int64) {
			if read > int64(len(bundle))/2 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	checkEmpty(t, st)
}

func TestImportNamesAnErrorOfTheDisk(t *testing.T) {
	broken := errors.New("input/output error")
	r := io.MultiReader(bytes.NewReader(bundleOf(t, small())[:2000]), readerOf(func([]byte) (int, error) { return 0, broken }))
	_, err := ImportStream(context.Background(), r, newStore(t), ImportOptions{})
	if !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTruncated) {
		t.Errorf("got %v", err)
	}
}

type readerOf func([]byte) (int, error)

func (f readerOf) Read(p []byte) (int, error) { return f(p) }
