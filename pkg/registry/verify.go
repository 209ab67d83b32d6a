package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const (
	// maxFaults bounds the errors that one verification lists.
	maxFaults = 20
	// maxDepth bounds indexes within indexes.
	maxDepth = 3
)

// errNotInSet says that an image needs what its set does not list.
var errNotInSet = errors.New("registry: the set does not list it")

// VerifyLocal proves that the registry at base, which must have that identity,
// serves all of set from its own store: every image by its tag with the right
// manifest, and every blob of the set, read whole and hashed. The error joins
// one *BadImageError for each thing that is wrong, up to a bound; it is
// ErrNotOurs as soon as anything answers without the identity.
func (c *Client) VerifyLocal(ctx context.Context, base string, set *store.Set, identity string) error {
	return c.VerifyServed(ctx, base, set, identity, func(store.Digest) bool { return false })
}

// VerifyServed is VerifyLocal, but of blobs that are proven - hashed on this
// machine's disk, and unchanged since: store.Store.CheckBlobs - it asks only
// whether they are served from the store in their size. Manifests are read always.
func (c *Client) VerifyServed(ctx context.Context, base string, set *store.Set, identity string,
	proven func(store.Digest) bool) error {
	t := target{c, base, identity}
	if err := t.greet(ctx); err != nil {
		return err
	}
	v := newVerification(t, set)
	v.proven = proven
	if err := v.images(ctx); err != nil {
		return err
	}
	if err := v.blobs(ctx); err != nil {
		return err
	}
	return v.faults.err()
}

// greet checks that the API answers and is the expected registry's.
func (t target) greet(ctx context.Context) error {
	resp, err := t.ask(ctx, http.MethodGet, "/v2/", "")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// A verification is one run of VerifyLocal.
type verification struct {
	target
	set    *store.Set
	proven func(store.Digest) bool
	faults faults

	mu    sync.Mutex
	users map[store.Digest]store.Image // an image that needs the blob
	done  map[store.Digest]bool        // manifests that were proven
}

func newVerification(t target, set *store.Set) *verification {
	return &verification{target: t, set: set,
		users: make(map[store.Digest]store.Image), done: make(map[store.Digest]bool)}
}

// images proves every image's manifest by its tag and notes what it needs. The
// error is only what ends the verification.
func (v *verification) images(ctx context.Context) error {
	return each(ctx, v.client.workers, v.set.Images, func(ctx context.Context, img store.Image) error {
		p, err := v.parts(ctx, v.set, img, SourceStore)
		v.mu.Lock()
		defer v.mu.Unlock()
		for d, kind := range p.digests {
			v.users[d] = img
			v.done[d] = v.done[d] || kind == partManifest
		}
		return v.faults.add(ctx, img, "", err)
	})
}

// blobs reads all that images did not.
func (v *verification) blobs(ctx context.Context) error {
	if len(v.set.Images) == 0 {
		return nil
	}
	return each(ctx, v.client.workers, v.set.Blobs, func(ctx context.Context, b store.Blob) error {
		if v.done[b.Digest] {
			return nil
		}
		img, ok := v.users[b.Digest]
		if !ok { // of no image by tag: any repository of the set has it
			img = v.set.Images[0]
		}
		prove := v.blob
		if v.proven(b.Digest) {
			prove = v.source
		}
		source, err := prove(ctx, img.Repository, b)
		if err == nil {
			err = wantSource(source, SourceStore)
		}
		return v.faults.add(ctx, img, b.Digest, err)
	})
}

// A partKind says how a part of an image is asked for.
type partKind uint8

const (
	partManifest partKind = iota + 1 // proven when it is listed
	partBlob
)

// parts is what one image needs, as far as its set lists it.
type parts struct {
	digests      map[store.Digest]partKind
	size         int64 // bytes of all of it
	fromUpstream bool  // whether a manifest came from there
}

// A walk reads the manifests of one image: the one that its tag names, and those
// of an index that the set needs, see store.Manifest.Needs - a set for one
// architecture keeps the index whole but need not have the others' images.
type walk struct {
	target
	set    *store.Set
	image  store.Image
	source string // where all must come from; "" is anywhere
	parts  parts
}

// parts returns what img needs, as far as it could be found out.
func (t target) parts(ctx context.Context, set *store.Set, img store.Image, source string) (parts, error) {
	w := walk{target: t, set: set, image: img, source: source,
		parts: parts{digests: make(map[store.Digest]partKind)}}
	err := w.visit(ctx, img.Tag, img.Manifest, 0)
	return w.parts, err
}

// visit reads manifest d, which ref, a tag or d itself, names.
func (w *walk) visit(ctx context.Context, ref string, d store.Digest, depth int) error {
	b, ok := w.set.Has(d)
	if !ok {
		return fmt.Errorf("manifest %s: %w", d, errNotInSet)
	}
	m, came, err := w.manifest(ctx, w.image.Repository, ref, d)
	if err == nil && w.source != "" {
		err = wantSource(came, w.source)
	}
	if err != nil {
		return err
	}
	w.parts.add(b, partManifest)
	w.parts.fromUpstream = w.parts.fromUpstream || came == SourceUpstream
	needs, _ := m.Needs(w.set.Architectures, func(d store.Digest) bool {
		_, ok := w.set.Has(d)
		return ok
	})
	if !m.IsIndex() {
		return w.parts.addBlobs(w.set, needs)
	}
	if depth == maxDepth {
		return fmt.Errorf("manifest %s: more than %d indexes in each other", d, maxDepth)
	}
	for _, child := range needs {
		if err := w.visit(ctx, string(child.Digest), child.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// addBlobs adds an image's config and layers.
func (p *parts) addBlobs(set *store.Set, needs []store.Descriptor) error {
	for _, child := range needs {
		b, ok := set.Has(child.Digest)
		if !ok {
			return fmt.Errorf("blob %s: %w", child.Digest, errNotInSet)
		}
		p.add(b, partBlob)
	}
	return nil
}

func (p *parts) add(b store.Blob, kind partKind) {
	if _, ok := p.digests[b.Digest]; !ok {
		p.digests[b.Digest] = kind
		p.size += b.Size
	}
}

// wantSource compares where content came from with where it should.
func wantSource(got, want string) error {
	if got != want {
		return fmt.Errorf("%w: %q, not %q", ErrWrongSource, clip(got), want)
	}
	return nil
}

// each calls f for all items, so many at a time. f's error ends it.
func each[T any](ctx context.Context, workers int, items []T, f func(context.Context, T) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, item := range items {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return f(inner, item) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// faults collects what is wrong. Safe for concurrent use.
type faults struct {
	mu   sync.Mutex
	errs []*BadImageError
	more int
}

// add notes err. It returns what ends the verification at once: a stranger's
// answer, or the end of ctx.
func (f *faults) add(ctx context.Context, img store.Image, blob store.Digest, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrNotOurs) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) == maxFaults {
		f.more++
		return nil
	}
	f.errs = append(f.errs, &BadImageError{Image: img, Blob: blob, Err: err})
	return nil
}

func (f *faults) err() error {
	slices.SortFunc(f.errs, func(a, b *BadImageError) int {
		return cmp.Or(cmp.Compare(a.Image.Repository, b.Image.Repository),
			cmp.Compare(a.Image.Tag, b.Image.Tag), cmp.Compare(a.Blob, b.Blob))
	})
	var all []error
	for _, e := range f.errs {
		all = append(all, e)
	}
	if f.more > 0 {
		all = append(all, fmt.Errorf("and %d more", f.more))
	}
	return errors.Join(all...)
}
