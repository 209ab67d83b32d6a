package imageset

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// ImportOptions are the knobs of Import. The zero value is fine.
type ImportOptions struct {
	// Progress is told how many bytes of the source were read, of how many; 0
	// when that is not known. It is called from another goroutine, often.
	Progress func(read, total int64)
	// Note is given lines that the operator should see: what was left out.
	Note func(text string)
	// Force reads a bundle although it was imported before and is unchanged, and
	// writes every blob anew: it repairs a store.
	Force bool
	// SHA512, in hex, is that of the source as it lies on disk. Import takes it
	// from <name>.sha512sum beside the bundle when it is empty.
	SHA512 string
}

// Import reads the bundle at path, or a directory that a registry:2 keeps, into
// the store: blobs and the set, which is not activated. A bundle that was read
// before, did not change since and is still whole in the store is not read
// again. A bundle that is not accepted leaves nothing behind; the error says
// why, as one of this package's sentinels, mostly in a *RefusedError.
func Import(ctx context.Context, path string, st *store.Store, opts ImportOptions) (*store.Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	if info.IsDir() {
		return importDir(ctx, path, st, opts)
	}
	if !info.Mode().IsRegular() { // /dev/stdin
		return ImportStream(ctx, f, st, opts)
	}
	set, err := importFile(ctx, f, info, st, opts)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", path, err)
	}
	return set, nil
}

func importFile(ctx context.Context, f *os.File, info os.FileInfo, st *store.Store, opts ImportOptions) (*store.Set, error) {
	rec, err := newRecord(f.Name(), info)
	if err != nil {
		return nil, err
	}
	if !opts.Force {
		if set := rec.known(st); set != nil {
			return set, nil
		}
	}
	if opts.SHA512 == "" {
		if opts.SHA512, err = readSum(f.Name()); err != nil {
			return nil, err
		}
	}
	set, err := importPacked(ctx, f, info.Size(), st, opts)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if again, err := newRecord(f.Name(), after); err != nil || again != rec {
		return nil, errors.Join(ErrSourceChanged, err)
	}
	return set, rec.keep(st, set)
}

// ImportStream is Import of a bundle that comes through r, which is read to its
// end. When ctx ends while a Read hangs, closing r is the caller's.
func ImportStream(ctx context.Context, r io.Reader, st *store.Store, opts ImportOptions) (*store.Set, error) {
	set, err := importPacked(ctx, r, 0, st, opts)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return set, nil
}

func importPacked(ctx context.Context, r io.Reader, total int64, st *store.Store, opts ImportOptions) (*store.Set, error) {
	src, err := newSource(ctx, r, total, opts)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	list := &tarEntries{tr: tar.NewReader(src.tail)}
	return newImporter(st, opts).run(ctx, list, func() error { return src.finish(opts.SHA512) })
}

func importDir(ctx context.Context, dir string, st *store.Store, opts ImportOptions) (*store.Set, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	defer root.Close()
	list := newWalk(root.FS())
	defer list.close()
	set, err := newImporter(st, opts).run(ctx, list, func() error { return nil })
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", filepath.Clean(dir), err)
	}
	return set, nil
}

// An importer is one run over the entries of a bundle. It is used by one
// goroutine; only the commits of blobs run beside it.
type importer struct {
	st   *store.Store
	opts ImportOptions

	commits *committer
	buf     []byte
	names   map[nameHash]bool // of files, to find doubles
	skipped []string          // entries left out
	skips   int               // how many there are
	absent  []string          // what images lack and may lack, in words

	prefix  string // of the registry's directory, once found
	found   bool
	release *store.Release // from the .version file

	blobs     map[store.Digest]int64 // all in the bundle, with their sizes
	added     []store.Digest         // those of them that the store did not have
	claimed   []store.Digest         // those of them that it had
	revisions map[revision]bool
	tags      []store.Image
}

type revision struct {
	repo     string
	manifest store.Digest
}

func newImporter(st *store.Store, opts ImportOptions) *importer {
	return &importer{
		st:        st,
		opts:      opts,
		commits:   newCommitter(),
		buf:       make([]byte, copyBuffer),
		names:     make(map[nameHash]bool),
		blobs:     make(map[store.Digest]int64),
		revisions: make(map[revision]bool),
	}
}

// run reads everything, then makes the set of it. Whatever fails, blobs that
// were not in the store before are taken out again.
func (im *importer) run(ctx context.Context, list entries, finish func() error) (*store.Set, error) {
	err := im.read(ctx, list)
	if err == nil {
		err = finish()
	}
	if e := im.commits.wait(); err == nil {
		err = e
	}
	var set *store.Set
	if err == nil {
		set, err = im.makeSet(ctx)
	}
	im.unclaim(set)
	if err != nil {
		return nil, errors.Join(err, im.removeAdded(nil))
	}
	if err := im.removeAdded(set); err != nil {
		return nil, err
	}
	im.noteSkipped()
	im.noteAbsent()
	return set, nil
}

func (im *importer) read(ctx context.Context, list entries) error {
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
	set, err := store.NewSet(im.tags, r.blobs(), r.architectures(), rel, time.Now())
	if err != nil {
		return nil, err
	}
	im.absent = r.absent
	if missing := im.st.Missing(set); len(missing) > 0 {
		return nil, &RefusedError{Blob: set.Blobs[missing[0]].Digest,
			Err: fmt.Errorf("%w: it was removed from the store meanwhile", ErrMissingBlob)}
	}
	return set, im.st.PutSet(set)
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
