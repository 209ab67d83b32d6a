package imageset

import (
	"archive/tar"
	"bytes"
	"context"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// inMemory runs an import that keeps nothing.
func inMemory(t *testing.T, read func(*importer, context.Context) error) (*store.Set, error) {
	t.Helper()
	im := newImporter(nil, ImportOptions{})
	im.mem = &examined{raw: make(map[store.Digest][]byte)}
	return im.whole(t.Context(), func(ctx context.Context) error { return read(im, ctx) })
}

// FuzzTar: a plain tar that is read by its index, in any order, is the same as one
// that is read as it comes.
func FuzzTar(f *testing.F) {
	o := small()
	o.LayerSize = 100
	files := unpackBundle(f, bundleOf(f, o))
	f.Add(files.tar(f))
	f.Add(files[:5].tar(f))
	f.Add(addFile(files, "../x", "y").tar(f))
	from := newStore(f)
	set := mustImport(f, from, bundleOf(f, o))
	f.Add(savedTree(f, from, set).tar(f))
	f.Add(hybridTree(f, from, set).tar(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if packing(raw[:min(4, len(raw))]) != packedNot || len(raw) == 0 {
			return
		}
		indexed, err1 := inMemory(t, func(im *importer, ctx context.Context) error {
			return im.plain(ctx, bytes.NewReader(raw), int64(len(raw)))
		})
		streamed, err2 := inMemory(t, func(im *importer, ctx context.Context) error {
			return im.packed(ctx, bytes.NewReader(raw), 0, "")
		})
		switch {
		case (err1 == nil) != (err2 == nil):
			t.Fatalf("by its index: %v; as it comes: %v", err1, err2)
		case err1 == nil && indexed.ID != streamed.ID:
			t.Fatalf("other sets: %s, %s", indexed.ID, streamed.ID)
		}
	})
}

// FuzzArchive: whatever the lists of an archive say, it gives a set whose parts were
// all proven, or is refused.
func FuzzArchive(f *testing.F) {
	layer := "layer"
	diff := store.DigestOf([]byte(layer))
	config := `{"architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + string(diff) + `"]}}`
	d := store.DigestOf([]byte(config))
	f.Add(`[{"Config":"c","RepoTags":["kolla/x:1"],"Layers":["l"]}]`, "", config, layer, "l", "m")
	f.Add(`[{"Config":"`+d.Hex()+`.json","RepoTags":["h:1/x"],"Layers":["k"]}]`, "", config, layer, "../l", d.Hex()+".json")
	f.Add("", `{"schemaVersion":2,"manifests":[{"digest":"`+string(d)+`","size":1,"annotations":{"`+annotationRefName+`":"kolla/x:1"}}]}`,
		config, layer, "k", "blobs/sha256/"+d.Hex())
	f.Fuzz(func(t *testing.T, list, index, config, layer, link, name string) {
		files := tarFiles{}
		for n, body := range map[string]string{"manifest.json": list, "index.json": index, "c": config, "l": layer, name: config} {
			if body != "" {
				files = append(files, file(n))
				files[len(files)-1].body = []byte(body)
			}
		}
		if index != "" {
			files = append(files, tarFile{tar.Header{Typeflag: tar.TypeReg, Name: "oci-layout"}, []byte(`{"imageLayoutVersion":"1.0.0"}`)})
		}
		if link != "" {
			files = append(files, tarFile{tar.Header{Typeflag: tar.TypeSymlink, Name: "k", Linkname: link}, nil})
		}
		raw, err := tarOf(files)
		if err != nil {
			return // a name that archive/tar does not write
		}
		set, err := inMemory(t, func(im *importer, ctx context.Context) error {
			return im.plain(ctx, bytes.NewReader(raw), int64(len(raw)))
		})
		if err == nil && (len(set.Images) == 0 || set.Validate() != nil) {
			t.Fatalf("an empty or wrong set: %+v", set)
		}
	})
}

// FuzzSplitName: a name that is taken can be served.
func FuzzSplitName(f *testing.F) {
	for _, name := range []string{"kolla/x:1", "h:5000/kolla/x", "localhost/x:1", "6.0.0", "../x:1", "a//b:c", ":", "/", "x@sha256:0"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if repo, tag, ok := SplitName(name); ok && (!store.ValidRepository(repo) || !store.ValidTag(tag)) {
			t.Fatalf("%q is %q, %q", name, repo, tag)
		}
	})
}
