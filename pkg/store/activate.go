package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Activate makes the set with this ID the one that is served, tags and all. All
// its blobs must be here, else the error is an *IncompleteError. Links come
// first, then tags, `current` last. Until that is switched the old set is
// served, whatever happens.
func (s *Store) Activate(id string) error {
	if err := s.writable(); err != nil {
		return err
	}
	s.claims.gc.RLock() // until it is the current set GC may not choose to drop it
	defer s.claims.gc.RUnlock()
	set, err := s.LoadSet(id)
	if err != nil {
		return err
	}
	if err := s.complete(set); err != nil {
		return err
	}
	links, tags, err := s.planLinks(set)
	if err != nil {
		return fmt.Errorf("activating set %s: %w", short(id), err)
	}
	if err := s.writeLinks(links, tags); err != nil {
		return fmt.Errorf("activating set %s: %w", short(id), err)
	}
	if err := s.switchTo(id, ModeWhole); err != nil {
		return err
	}
	s.claims.settle(set)
	_ = s.SaveVerified() // without it the next check reads more
	return nil
}

// Lean makes the set with this ID the one whose tags are answered, although
// blobs may be missing: they are fetched by digest from upstream (R9). Links and
// tags on disk are left as they are.
func (s *Store) Lean(id string) error {
	if err := s.writable(); err != nil {
		return err
	}
	s.claims.gc.RLock()
	defer s.claims.gc.RUnlock()
	if _, err := s.LoadSet(id); err != nil {
		return err
	}
	return s.switchTo(id, ModeLean)
}

func (s *Store) switchTo(id string, mode Mode) error {
	now := time.Now()
	if err := os.Chtimes(s.setPath(id), now, now); err != nil { // GC keeps the newest
		return fmt.Errorf("switching to set %s: %w", short(id), err)
	}
	return s.writePointer(id, mode)
}

func (s *Store) complete(set *Set) error {
	missing := s.Missing(set)
	if len(missing) == 0 {
		return nil
	}
	e := &IncompleteError{Set: set.ID}
	for _, i := range missing {
		e.Missing = append(e.Missing, set.Blobs[i])
	}
	return e
}

// planLinks lists the links that the set needs in registry:2's tree: those of
// revisions and layers, and those of tags.
func (s *Store) planLinks(set *Set) (links, tags []link, err error) {
	p := &linkPlan{s: s, set: set, seen: make(map[link]bool), manifests: make(map[Digest]Manifest)}
	for _, m := range set.Images {
		if err := p.addManifest(m.Repository, m.Manifest, 0); err != nil {
			return nil, nil, fmt.Errorf("image %s:%s: %w", m.Repository, m.Tag, err)
		}
		p.add(link{s.tagIndexLink(m.Repository, m.Tag, m.Manifest), m.Manifest})
		tags = append(tags, link{s.tagLink(m.Repository, m.Tag), m.Manifest})
	}
	return p.links, tags, nil
}

type linkPlan struct {
	s         *Store
	set       *Set
	links     []link
	seen      map[link]bool
	manifests map[Digest]Manifest // each is read once, however many names it has
}

func (p *linkPlan) add(l link) {
	if !p.seen[l] {
		p.seen[l] = true
		p.links = append(p.links, l)
	}
}

// addManifest adds a manifest of repo and all below it.
func (p *linkPlan) addManifest(repo string, d Digest, depth int) error {
	if depth > MaxIndexDepth {
		return fmt.Errorf("%w: indexes nested more than %d deep", ErrManifest, MaxIndexDepth)
	}
	revision := link{p.s.revisionLink(repo, d), d}
	if p.seen[revision] {
		return nil
	}
	m, err := p.manifest(d)
	if err != nil {
		return err
	}
	p.add(revision)
	needs, _ := m.Needs(p.set.Architectures, p.set.lists)
	for _, c := range needs {
		if !p.set.lists(c.Digest) {
			return fmt.Errorf("%w: manifest %s needs %s, which the set does not list", ErrSet, d, c.Digest)
		}
		if !m.IsIndex() {
			p.add(link{p.s.layerLink(repo, c.Digest), c.Digest})
			continue
		}
		if err := p.addManifest(repo, c.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *linkPlan) manifest(d Digest) (Manifest, error) {
	if m, ok := p.manifests[d]; ok {
		return m, nil
	}
	raw, err := p.s.ReadBlob(d, MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return Manifest{}, &BlobError{d, err}
	}
	p.manifests[d] = m
	return m, nil
}

// isMissing reports whether err says that a file, or a directory on the way to
// it, is not there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
