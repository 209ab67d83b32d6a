package imageset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Check reads what lies at a place by the rules of Import, every digest and every
// reference, and keeps nothing. It says what is there.
func Check(ctx context.Context, p Place, opts ImportOptions) (*Contents, error) {
	return check(ctx, p, opts, false)
}

// Inspect is Check of the references alone: of what can be read in any order it
// reads manifests and configs, and leaves layers unread.
func Inspect(ctx context.Context, p Place, opts ImportOptions) (*Contents, error) {
	return check(ctx, p, opts, true)
}

func check(ctx context.Context, p Place, opts ImportOptions, skim bool) (*Contents, error) {
	im := newImporter(nil, opts)
	im.mem = &examined{skim: skim, raw: make(map[store.Digest][]byte)}
	set, err := im.whole(ctx, func(ctx context.Context) error { return im.places(ctx, []Place{p}) })
	if err != nil {
		return nil, fmt.Errorf("checking: %w", err)
	}
	return im.contents(set), nil
}

// examined has what an import without a store must remember: what may be a
// manifest or a config. Safe for concurrent use.
type examined struct {
	skim bool // large blobs are not read where that can be

	mu   sync.Mutex
	raw  map[store.Digest][]byte
	size int
}

func (x *examined) keep(d store.Digest, raw []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.raw[d] != nil {
		return nil
	}
	if x.size += len(raw); x.size > maxExamined {
		return fmt.Errorf("%w: more than %d bytes of manifests and configs", ErrTooLarge, maxExamined)
	}
	x.raw[d] = raw
	return nil
}

func (x *examined) read(d store.Digest, max int64) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	raw, ok := x.raw[d]
	switch {
	case !ok:
		return nil, &store.BlobError{Digest: d, Err: fs.ErrNotExist}
	case int64(len(raw)) > max:
		return nil, &store.BlobError{Digest: d, Err: store.ErrSizeMismatch}
	}
	return raw, nil
}

// readBlob reads a blob that was taken.
func (im *importer) readBlob(d store.Digest, max int64) ([]byte, error) {
	if im.mem != nil {
		return im.mem.read(d, max)
	}
	return im.st.ReadBlob(d, max)
}

// skims reports whether a blob of that size is left unread.
func (im *importer) skims(size int64) bool {
	return im.mem != nil && im.mem.skim && size > store.MaxManifest
}

// examine hashes a blob, and remembers it when it may be a manifest or a config:
// those are JSON objects.
func (im *importer) examine(ctx context.Context, body io.Reader, b store.Blob) error {
	h := sha256.New()
	var kept bytes.Buffer
	w := io.Writer(h)
	if b.Size <= store.MaxManifest {
		var first [1]byte
		n, err := io.ReadFull(body, first[:min(1, b.Size)])
		if err != nil {
			return classify(noEOF(err))
		}
		body = io.MultiReader(bytes.NewReader(first[:n]), body)
		if n == 1 && first[0] == '{' {
			w = io.MultiWriter(h, &kept)
		}
	}
	if err := im.copy(ctx, w, body, b.Size); err != nil {
		return err
	}
	if err := checkSum(h, b.Digest); err != nil {
		return err
	}
	im.know(b, knownReplaced)
	if kept.Len() > 0 {
		return im.mem.keep(b.Digest, kept.Bytes())
	}
	return nil
}

func (t *take) examine(ctx context.Context, w wanted) error {
	return t.opened(ctx, w, func(body io.Reader) error {
		b := w.Blob()
		if t.im.skims(b.Size) {
			t.im.know(b, knownReplaced)
			t.im.progressed(b.Size)
			return nil
		}
		if err := t.im.examine(ctx, body, b); err != nil {
			return err
		}
		return atEnd(body, b)
	})
}

// Contents are what a source holds.
type Contents struct {
	Set    *store.Set
	Images []ImageContents // as in Set
	Extra  int             // blobs that no image needs
	Notes  []string        // what was left out, and what may be absent and is
	// Shared is how many bytes the images have in common: what they would take
	// one by one, less what they take together.
	Shared int64
}

// ImageContents are one image's.
type ImageContents struct {
	store.Image
	Size    int64 // bytes of all its blobs
	Own     int64 // of those that no other image has
	Layers  int
	Archs   []string
	Foreign []store.Digest // layers that registries need not hold
	Absent  []store.Digest // of those, which are not there
}

// contents finds out what images consist of.
func (im *importer) contents(set *store.Set) *Contents {
	c := &Contents{Set: set, Extra: len(im.blobs) - len(set.Blobs)}
	im.opts.Note = func(text string) { c.Notes = append(c.Notes, text) }
	im.noteSkipped()
	im.noteAbsent()
	users := make(map[store.Digest]int)
	parts := make([]map[store.Digest]bool, len(set.Images))
	for i, img := range set.Images {
		one := &ImageContents{Image: img}
		parts[i] = make(map[store.Digest]bool)
		im.parts(set, img.Manifest, one, parts[i], 0)
		slices.Sort(one.Archs)
		one.Archs = slices.Compact(one.Archs)
		for d := range parts[i] {
			b, _ := set.Has(d)
			one.Size += b.Size
			users[d]++
		}
		c.Images = append(c.Images, *one)
		c.Shared += one.Size
	}
	c.Shared -= set.TotalSize()
	for i := range c.Images {
		for d := range parts[i] {
			if b, _ := set.Has(d); users[d] == 1 {
				c.Images[i].Own += b.Size
			}
		}
	}
	return c
}

// parts adds what is below a manifest.
func (im *importer) parts(set *store.Set, d store.Digest, one *ImageContents, seen map[store.Digest]bool, depth int) {
	if _, ok := set.Has(d); !ok || seen[d] || depth > store.MaxIndexDepth {
		return
	}
	raw, err := im.readBlob(d, store.MaxManifest)
	if err != nil {
		return // an index's child that was not wanted
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return
	}
	seen[d] = true
	if m.IsIndex() {
		for _, c := range m.Manifests {
			im.parts(set, c.Digest, one, seen, depth+1)
		}
		return
	}
	if arch, err := im.architecture(m); err == nil && arch != "" {
		one.Archs = append(one.Archs, arch)
	}
	one.Layers += len(m.Layers)
	for _, l := range m.Children() {
		_, here := set.Has(l.Digest)
		if l.Foreign() {
			one.Foreign = append(one.Foreign, l.Digest)
			if !here {
				one.Absent = append(one.Absent, l.Digest)
			}
		}
		if here {
			seen[l.Digest] = true
		}
	}
}
