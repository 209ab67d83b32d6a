package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A BadBlob is a blob of a set that is not in the store as it should be.
type BadBlob struct {
	Blob   Blob
	Images []Image // that need it, as far as manifests that can be read say so
	Err    error   // wraps fs.ErrNotExist, ErrSizeMismatch, ErrDigestMismatch or the system's
}

// VerifyBlobs reads every blob and compares size and digest, with so many
// workers (at least one). It returns one *BlobError for each bad blob, joined, or the
// context's error.
func (s *Store) VerifyBlobs(ctx context.Context, blobs []Blob, workers int) error {
	bad, err := s.badBlobs(ctx, blobs, workers, nil)
	var errs []error
	for _, b := range bad {
		errs = append(errs, &BlobError{b.Blob.Digest, b.Err})
	}
	return errors.Join(append(errs, err)...)
}

// VerifySets reads every blob of the sets, each once, with so many workers, and
// returns those that are bad, by digest. The error is the context's.
func (s *Store) VerifySets(ctx context.Context, sets []*Set, workers int) ([]BadBlob, error) {
	var blobs []Blob
	for _, set := range sets {
		blobs = append(blobs, set.Blobs...)
	}
	slices.SortFunc(blobs, compareBlobs)
	bad, err := s.badBlobs(ctx, slices.Compact(blobs), workers, nil)
	if err != nil || len(bad) == 0 {
		return nil, err
	}
	users := s.users(sets)
	for i := range bad {
		bad[i].Images = users[bad[i].Blob.Digest]
	}
	slices.SortFunc(bad, func(a, b BadBlob) int { return compareBlobs(a.Blob, b.Blob) })
	return bad, nil
}

// badBlobs reads blobs; read, which may be nil, is told of the bytes.
func (s *Store) badBlobs(ctx context.Context, blobs []Blob, workers int, read func(n int)) ([]BadBlob, error) {
	var (
		mu  sync.Mutex
		bad []BadBlob
	)
	var g errgroup.Group
	g.SetLimit(max(workers, 1))
	for _, b := range blobs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := s.verifyBlob(ctx, b, read); err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				bad = append(bad, BadBlob{Blob: b, Err: err})
			}
			return nil
		})
	}
	err := g.Wait() // before bad is read
	return bad, errors.Join(err, ctx.Err())
}

// users says which images need a blob. What lies below a manifest that cannot be
// read is not known; the manifest itself is.
func (s *Store) users(sets []*Set) map[Digest][]Image {
	users := make(map[Digest][]Image)
	r := &reach{s: s, manifests: make(map[Digest]Manifest)}
	seen := make(map[Image]bool) // sets add up: most images are in all of them
	for _, set := range sets {
		for _, img := range set.Images {
			if seen[img] {
				continue
			}
			seen[img] = true
			r.seen = make(map[Digest]bool)
			r.visit(img.Manifest, 0)
			for d := range r.seen {
				users[d] = append(users[d], img)
			}
		}
	}
	for _, images := range users {
		slices.SortFunc(images, compareImages)
	}
	return users
}

// A reach finds all that is below a manifest.
type reach struct {
	s         *Store
	manifests map[Digest]Manifest // each is read once
	seen      map[Digest]bool     // of the image that is being followed
}

func (r *reach) visit(d Digest, depth int) {
	if r.seen[d] || depth > MaxIndexDepth {
		return
	}
	r.seen[d] = true
	m := r.manifest(d)
	for _, c := range m.Manifests {
		r.visit(c.Digest, depth+1)
	}
	for _, c := range m.Layers {
		r.seen[c.Digest] = true
	}
	if m.Config != nil {
		r.seen[m.Config.Digest] = true
	}
}

func (r *reach) manifest(d Digest) Manifest {
	m, ok := r.manifests[d]
	if ok {
		return m
	}
	if raw, err := r.s.ReadBlob(d, MaxManifest); err == nil {
		m, _ = ParseManifest(raw) // one that is none refers to nothing
	}
	r.manifests[d] = m
	return m
}
