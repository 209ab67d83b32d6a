package imageset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Import reads what lies at path into the store: blobs and the set, which is not
// activated. That is a bundle, or a directory that a registry:2 keeps; an archive
// of docker save or podman save; an OCI layout, as a directory or a tar. A file
// that was read before, did not change since and is still whole in the store is
// not read again. One that is not accepted leaves nothing behind; the error says
// why, as one of this package's sentinels, mostly in a *RefusedError.
func Import(ctx context.Context, path string, st *store.Store, opts ImportOptions) (*store.Set, error) {
	rec, set, err := recall(ctx, path, st, opts)
	if err == nil && set == nil {
		im := newImporter(st, opts)
		set, err = im.whole(ctx, func(ctx context.Context) error { return im.path(ctx, path) })
		if err == nil && rec != nil {
			err = rec.keep(st, set)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", filepath.Clean(path), err)
	}
	return set, nil
}

// recall returns the set that a regular file made before, if it is unchanged, and
// what to keep of the file else.
func recall(ctx context.Context, path string, st *store.Store, opts ImportOptions) (*record, *store.Set, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, err
	}
	rec, err := newRecord(path, info)
	if err != nil {
		return nil, nil, err
	}
	rec.Choice = opts.choice()
	if rec.Sum, err = opts.sumOf(path); err != nil || opts.Force {
		return &rec, nil, err
	}
	return &rec, rec.known(ctx, st, opts.Progress), nil
}

// ImportStream is Import of a file that comes through r, which is read to its
// end. When ctx ends while a Read hangs, closing r is the caller's.
func ImportStream(ctx context.Context, r io.Reader, st *store.Store, opts ImportOptions) (*store.Set, error) {
	im := newImporter(st, opts)
	set, err := im.whole(ctx, func(ctx context.Context) error { return im.packed(ctx, r, 0, opts.SHA512) })
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return set, nil
}

// A Place is one of several that images come from: a path, as Import takes it, or
// origins, one after the other. An origin is closed when it was taken.
type Place struct {
	Path    string
	Origins iter.Seq2[Origin, error]
	// SHA512 and Key are this place's, in place of the options'.
	SHA512 string
	Key    *signature.Key
}

// ImportAll reads all places into one set, as Import does each. Two images of one
// name must be the same.
func ImportAll(ctx context.Context, places []Place, st *store.Store, opts ImportOptions) (*store.Set, error) {
	im := newImporter(st, opts)
	set, err := im.whole(ctx, func(ctx context.Context) error { return im.places(ctx, places) })
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return set, nil
}

func (im *importer) places(ctx context.Context, places []Place) error {
	sum, key := im.opts.SHA512, im.opts.Key
	for _, p := range places {
		im.opts.SHA512, im.opts.Key = cmp.Or(p.SHA512, sum), cmp.Or(p.Key, key)
		if p.Origins == nil {
			im.from = filepath.Clean(p.Path)
			if err := im.path(ctx, p.Path); err != nil {
				return fmt.Errorf("%s: %w", im.from, err)
			}
			continue
		}
		for o, err := range p.Origins {
			if err == nil {
				err = errors.Join(im.origin(ctx, o), o.Close())
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// An importer is one import. One goroutine uses it; the blobs are written, and
// committed, by others beside it, for which mu guards what they share.
type importer struct {
	st   *store.Store // nil when nothing is kept, see Check
	mem  *examined    // nil when there is a store
	opts ImportOptions

	commits *committer
	workers errgroup.Group // for blobs that can be read in any order
	bufs    sync.Pool      // of copyBuffer bytes
	prover  func() *store.Prover
	resumes bool              // blobs stay when the source breaks off
	names   map[nameHash]bool // of files, to find doubles
	skipped []string          // entries left out
	skips   int               // how many there are
	unmet   []string          // what is not as it was asked for, in words
	absent  []string          // what images lack and may lack, in words

	from    string // the place that is being read, where there are several
	prefix  string // of the registry's directory, once found
	found   bool
	release *store.Release // from the first .version file

	versioned bool // this source had one

	revisions map[revision]bool
	tags      []store.Image
	unwanted  int // tags that were not asked for
	beside    int // tags of what is no image, see IsBeside

	signatures map[string]store.Image // by name; set aside while a key is asked for
	unproven   []unproven             // images that need one

	mu      sync.Mutex
	blobs   map[store.Digest]int64 // all in the bundle, with their sizes
	damage  damage
	added   []store.Digest // those of them that the store did not have
	claimed []store.Digest // those of them that it had
	done    int64          // bytes, for the progress of origins
	total   int64
}

type revision struct {
	repo     string
	manifest store.Digest
}

func newImporter(st *store.Store, opts ImportOptions) *importer {
	im := &importer{
		st:        st,
		opts:      opts,
		commits:   newCommitter(0),
		names:     make(map[nameHash]bool),
		blobs:     make(map[store.Digest]int64),
		revisions: make(map[revision]bool),

		signatures: make(map[string]store.Image),
	}
	im.bufs.New = func() any { return new([copyBuffer]byte) }
	im.workers.SetLimit(blobsAtOnce)
	im.prover = sync.OnceValue(func() *store.Prover { return st.Prover() })
	return im
}

// run is whole for a list of entries.
func (im *importer) run(ctx context.Context, list entries, finish func() error) (*store.Set, error) {
	return im.whole(ctx, func(ctx context.Context) error {
		if err := im.read(ctx, list); err != nil {
			return err
		}
		return finish()
	})
}

// whole reads everything, then makes the set of it. When that fails, blobs that
// were not in the store before are taken out again, but for those of a source that
// only broke off and can be continued.
func (im *importer) whole(ctx context.Context, read func(context.Context) error) (*store.Set, error) {
	err := read(ctx)
	if e := im.commits.wait(); err == nil {
		err = e
	}
	// What is wrong behind a damaged blob mostly follows from it.
	if e := im.damaged(); e != nil && ctx.Err() == nil {
		err = e
	}
	var set *store.Set
	if err == nil {
		set, err = im.makeSet(ctx)
	}
	if im.mem != nil {
		return set, err
	}
	im.unclaim(set)
	if err != nil && im.resumes && brokeOff(err) {
		return nil, err
	}
	if err != nil {
		return nil, errors.Join(err, im.removeAdded(nil))
	}
	if err := im.removeAdded(set); err != nil {
		return nil, err
	}
	im.noteSkipped()
	im.noteAbsent()
	_ = im.st.SaveVerified() // without it the next import hashes more
	return set, nil
}

// restart forgets what holds for one source only.
func (im *importer) restart() {
	im.names, im.prefix, im.found, im.versioned = make(map[nameHash]bool), "", false, false
}

// read takes all entries. When it returns nobody reads from them any more.
func (im *importer) read(ctx context.Context, list entries) error {
	err := im.readAll(ctx, list)
	if e := im.workers.Wait(); err == nil {
		err = e
	}
	return err
}

func (im *importer) readAll(ctx context.Context, list entries) error {
	for {
		if err := errors.Join(ctx.Err(), im.commits.failed()); err != nil {
			return err
		}
		e, err := list.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := im.entry(ctx, e); err != nil {
			return err
		}
	}
}

// makeSet resolves the tags and keeps the set.
func (im *importer) makeSet(ctx context.Context) (*store.Set, error) {
	r := newResolver(im)
	if err := r.resolveAll(ctx); err != nil {
		return nil, err
	}
	var rel store.Release
	if im.release != nil {
		rel = *im.release
	}
	rel = overlaid(rel, im.opts.Release)
	set, err := store.NewSet(im.tags, r.blobs(), r.architectures(), rel, time.Now())
	if err != nil {
		return nil, err
	}
	im.absent = r.absent
	if im.mem != nil {
		return set, nil
	}
	if missing := im.st.Missing(set); len(missing) > 0 {
		return nil, &RefusedError{Blob: set.Blobs[missing[0]].Digest,
			Err: fmt.Errorf("%w: it was removed from the store meanwhile", ErrMissingBlob)}
	}
	return set, im.st.PutSet(set)
}

// overlaid returns rel with the fields of over that are not empty.
func overlaid(rel, over store.Release) store.Release {
	return store.Release{Branch: cmp.Or(over.Branch, rel.Branch), Tag: cmp.Or(over.Tag, rel.Tag),
		Date: cmp.Or(over.Date, rel.Date), Commit: cmp.Or(over.Commit, rel.Commit)}
}

// unclaim leaves to GC what the set, which may be nil, does not have.
func (im *importer) unclaim(set *store.Set) {
	for _, d := range im.claimed {
		if set != nil {
			if _, ok := set.Has(d); ok {
				continue
			}
		}
		im.st.Unclaim(d)
	}
}

// removeAdded takes blobs that this run brought, and that the set does not
// have, out of the store. A nil set has none.
func (im *importer) removeAdded(set *store.Set) error {
	var errs []error
	for _, d := range im.added {
		if set != nil {
			if _, ok := set.Has(d); ok {
				continue
			}
		}
		errs = append(errs, im.st.RemoveBlob(d))
	}
	if extra := im.extra(set); extra > 0 {
		im.note(fmt.Sprintf("%d blobs that no tag needs were left out", extra))
	}
	return errors.Join(errs...)
}

// brokeOff reports whether an import ended for a reason that says nothing about
// the source's content.
func brokeOff(err error) bool {
	var refused *RefusedError
	var read *readError
	return !errors.As(err, &refused) && (errors.As(err, &read) || errors.Is(err, ErrOrigin) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

func (im *importer) extra(set *store.Set) int {
	if set == nil {
		return 0
	}
	return len(im.blobs) - len(set.Blobs)
}

func (im *importer) note(text string) {
	if im.opts.Note != nil {
		im.opts.Note(text)
	}
}
