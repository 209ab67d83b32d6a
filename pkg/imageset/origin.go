package imageset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// An Origin is a place that images come from one by one, and whose blobs can be
// asked for by digest in any order: a directory, a tar file, a registry, an
// engine. Nothing that it gives is trusted. It is safe for concurrent use.
type Origin interface {
	// Images lists the images, under the names by which they will be served.
	Images(ctx context.Context) ([]store.Image, error)
	// Manifest returns the manifest d of a repository. The error wraps
	// fs.ErrNotExist when the origin does not have it.
	Manifest(ctx context.Context, repo string, d store.Digest) ([]byte, error)
	// Blob opens a config or a layer. The error is as Manifest's.
	Blob(ctx context.Context, repo string, d store.Descriptor) (io.ReadCloser, error)
	// Close gives back what the origin holds.
	Close() error
}

// ImportOrigin reads an origin's images into the store, as Import does. What the
// store has already is not asked for, and what came whole stays there when the
// origin breaks off, so that the next import continues.
func ImportOrigin(ctx context.Context, o Origin, st *store.Store, opts ImportOptions) (*store.Set, error) {
	im := newImporter(st, opts)
	set, err := im.whole(ctx, func(ctx context.Context) error { return im.origin(ctx, o) })
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return set, nil
}

// origin takes all images of o that are wanted: the manifests first, which say
// how much there is, then the rest.
func (im *importer) origin(ctx context.Context, o Origin) error {
	im.resumes = true
	images, err := o.Images(ctx)
	if err != nil {
		return err
	}
	t := &take{im: im, origin: o, seen: make(map[store.Digest]bool)}
	if err := t.manifests(ctx, images); err != nil {
		return err
	}
	return t.blobs(ctx)
}

// A take is one run over an origin.
type take struct {
	im     *importer
	origin Origin

	mu   sync.Mutex
	seen map[store.Digest]bool
	list []wanted // configs and layers, each once
}

// wanted is a blob and who needs it.
type wanted struct {
	image store.Image
	store.Descriptor
}

func nameOf(i store.Image) string { return i.Repository + ":" + i.Tag }

func (t *take) manifests(ctx context.Context, images []store.Image) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(manifestsAtOnce)
	if len(images) == 0 {
		return fmt.Errorf("%w: there is no image with a name", ErrNotBundle)
	}
	for _, img := range images {
		if isBeside := IsBeside(img.Tag); isBeside && t.im.opts.Key == nil || !isBeside && !t.im.opts.wants(img) {
			if err := t.im.take(img); err != nil { // which counts it
				return err
			}
			continue
		}
		if err := t.im.addTag(img); err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return t.manifest(ctx, img, img.Manifest, 0) })
	}
	return g.Wait()
}

// manifest takes a manifest of img and all manifests below it, and notes what
// else is below.
func (t *take) manifest(ctx context.Context, img store.Image, d store.Digest, depth int) error {
	if !t.first(d) {
		return nil
	}
	refuse := func(err error) error { return &RefusedError{Image: nameOf(img), Blob: d, Err: err} }
	if depth > store.MaxIndexDepth {
		return refuse(fmt.Errorf("%w: indexes nested more than %d deep", store.ErrManifest, store.MaxIndexDepth))
	}
	raw, err := t.read(ctx, img, d)
	switch {
	case errors.Is(err, fs.ErrNotExist) && depth > 0:
		return nil // whether it may be absent shows in the end
	case errors.Is(err, fs.ErrNotExist):
		return refuse(ErrMissingBlob)
	case err != nil:
		return t.failed(ctx, img, d, err)
	}
	m, err := store.ParseManifest(raw)
	if err != nil {
		return refuse(err)
	}
	if err := t.im.keepManifest(ctx, raw, d); err != nil {
		return refuse(err)
	}
	if !m.IsIndex() {
		return t.want(img, m)
	}
	for _, c := range m.Manifests {
		if !t.im.opts.wantsPlatform(c.Platform) {
			continue
		}
		if err := t.manifest(ctx, img, c.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// read returns a manifest, the store's when that has it, and proves it.
func (t *take) read(ctx context.Context, img store.Image, d store.Digest) ([]byte, error) {
	if !t.im.opts.Force && t.im.mem == nil {
		if raw, err := t.im.st.ReadBlob(d, store.MaxManifest); err == nil {
			return raw, nil
		}
	}
	raw, err := t.origin.Manifest(ctx, img.Repository, d)
	if err != nil {
		return nil, err
	}
	if got := store.DigestOf(raw); got != d {
		return nil, &RefusedError{Image: nameOf(img), Blob: d,
			Err: fmt.Errorf("%w: it hashes to %s", store.ErrDigestMismatch, got)}
	}
	return raw, nil
}

// first reports whether d was not seen before.
func (t *take) first(d store.Digest) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[d] {
		return false
	}
	t.seen[d] = true
	return true
}

// want notes config and layers of an image.
func (t *take) want(img store.Image, m store.Manifest) error {
	for _, c := range m.Children() {
		if c.Foreign() && t.im.opts.RefuseForeign {
			return &RefusedError{Image: nameOf(img), Blob: c.Digest, Err: ErrForeign}
		}
		if !t.first(c.Digest) {
			continue
		}
		t.mu.Lock()
		t.list = append(t.list, wanted{img, c})
		n := len(t.list)
		t.mu.Unlock()
		if n > store.MaxBlobs {
			return fmt.Errorf("%w: more than %d blobs", ErrTooLarge, store.MaxBlobs)
		}
	}
	return nil
}

// blobs takes what the manifests need, several at once.
func (t *take) blobs(ctx context.Context) error {
	if err := t.measure(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(blobsAtOnce)
	for _, w := range t.list {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return t.blob(ctx, w) })
	}
	return g.Wait()
}

// measure tells the progress, and the disk, what is to come.
func (t *take) measure() error {
	var need tally
	for _, w := range t.list {
		t.im.expect(w.Size)
		t.im.count(&need, w.Blob())
	}
	return t.im.space(need.Room)
}

func (t *take) blob(ctx context.Context, w wanted) error {
	im, b := t.im, w.Blob()
	if im.mem != nil {
		return t.examine(ctx, w)
	}
	im.st.Claim(b.Digest) // before it is looked for: GC may run beside us
	if !im.opts.Force && im.has(ctx, b) {
		im.know(b, knownBefore)
		im.progressed(b.Size)
		return nil
	}
	defer im.st.Unclaim(b.Digest) // the writer has its own claim
	return t.opened(ctx, w, func(body io.Reader) error { return im.fetch(ctx, body, b) })
}

// opened lets do read a blob, to its end and no further.
func (t *take) opened(ctx context.Context, w wanted, do func(io.Reader) error) error {
	body, err := t.origin.Blob(ctx, w.image.Repository, w.Descriptor)
	if errors.Is(err, fs.ErrNotExist) {
		if w.Foreign() {
			t.im.progressed(w.Size)
			return nil // the resolver names it
		}
		err = &RefusedError{Image: nameOf(w.image), Blob: w.Digest, Err: ErrMissingBlob}
	}
	if err == nil {
		err = errors.Join(do(body), body.Close())
	}
	if err != nil {
		return t.failed(ctx, w.image, w.Digest, err)
	}
	return nil
}

// failed tells a source that is wrong, which is refused, from one that broke off.
func (t *take) failed(ctx context.Context, img store.Image, d store.Digest, err error) error {
	var refused *RefusedError
	var read *readError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused):
		return err
	case errors.As(err, &read), errors.Is(err, ErrOrigin):
		return fmt.Errorf("image %s: blob %s: %w", nameOf(img), d, err)
	}
	return &RefusedError{Image: nameOf(img), Blob: d, Err: err}
}

// fetch writes one blob to the store, from its own reader.
func (im *importer) fetch(ctx context.Context, body io.Reader, b store.Blob) error {
	_, absent := im.st.Stat(b.Digest)
	w, err := im.st.NewBlob(b)
	if err != nil {
		return err
	}
	if err := im.copy(ctx, w, body, b.Size); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := atEnd(body, b); err != nil {
		return errors.Join(err, w.Abort())
	}
	return im.commit(w, absent != nil)
}

// commit keeps a blob that was written whole; isNew when the store had none.
func (im *importer) commit(w *store.BlobWriter, isNew bool) error {
	if err := w.Commit(); err != nil {
		return err
	}
	if isNew {
		im.know(w.Blob(), knownAdded)
	} else {
		im.know(w.Blob(), knownReplaced)
	}
	return nil
}

// atEnd wants nothing more of a blob.
func atEnd(body io.Reader, b store.Blob) error {
	switch n, err := io.ReadFull(body, make([]byte, 1)); {
	case n > 0:
		return fmt.Errorf("%w: more than %d bytes", store.ErrSizeMismatch, b.Size)
	case !errors.Is(err, io.EOF):
		return &readError{err}
	}
	return nil
}

// keepManifest puts a proven manifest into the store.
func (im *importer) keepManifest(ctx context.Context, raw []byte, d store.Digest) error {
	b := store.Blob{Digest: d, Size: int64(len(raw))}
	if im.mem != nil {
		im.know(b, knownReplaced)
		return im.mem.keep(d, raw)
	}
	im.st.Claim(d)
	if !im.opts.Force && im.has(ctx, b) {
		im.know(b, knownBefore)
		return nil
	}
	defer im.st.Unclaim(d)
	_, absent := im.st.Stat(d)
	w, err := im.st.NewBlob(b)
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return errors.Join(err, w.Abort())
	}
	return im.commit(w, absent != nil)
}

// addTag takes an image's name. An origin's tag leads to its manifest by itself,
// without registry:2's revision link.
func (im *importer) addTag(img store.Image) error {
	if !store.ValidRepository(img.Repository) || !store.ValidTag(img.Tag) {
		return &RefusedError{Image: printable(nameOf(img)), Err: fmt.Errorf("%w: not a name that a registry takes", ErrUnsafe)}
	}
	im.revisions[revision{img.Repository, img.Manifest}] = true
	return im.take(img)
}
