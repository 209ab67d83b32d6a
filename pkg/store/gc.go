package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A GCResult says what GC removed.
type GCResult struct {
	Sets  []string // IDs
	Tags  int      // of registry:2's tree
	Blobs int
	Bytes int64 // of the blobs
}

// GC keeps the current set and the keep (at least one) sets used last, and
// removes every blob, link and tag that none of them has. A store without any
// set, such as one that only a registry:2 wrote to, is left alone. The error is
// ErrBusy while another process, or another Store of this one, writes to the
// store. Goroutines that share s may write beside it: what they claimed is kept,
// and what they commit waits until GC is done.
//
// Sets go first, then tags, links and blobs: whoever is killed leaves no tag
// without its image, and the next GC removes the rest.
func (s *Store) GC(keep int) (res GCResult, err error) {
	if err := s.writable(); err != nil {
		return GCResult{}, err
	}
	s.claims.gc.Lock()
	defer s.claims.gc.Unlock()
	if err := s.lockAlone(); err != nil {
		return GCResult{}, err
	}
	defer func() { err = errors.Join(err, s.flock(unix.LOCK_SH)) }()
	return (&collector{s: s}).run(keep)
}

// PlanGC returns what GC would remove, and removes nothing. It takes no lock:
// beside somebody who writes, it counts blobs of a set that is still to come.
func (s *Store) PlanGC(keep int) (GCResult, error) {
	return (&collector{s: s, plan: true}).run(keep)
}

// lockAlone makes the shared lock exclusive. The kernel gives up the shared one
// on the way, so it is taken again when that does not succeed.
func (s *Store) lockAlone() error {
	err := s.flock(unix.LOCK_EX | unix.LOCK_NB)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s", ErrBusy, s.dir)
	}
	return errors.Join(err, s.flock(unix.LOCK_SH))
}

// A collector is one run of GC.
type collector struct {
	s      *Store
	plan   bool // only count
	kept   []*Set
	drop   []string
	blobs  map[Digest]bool // of the kept sets
	repos  map[string]bool
	images map[Image]bool
	result GCResult
}

func (c *collector) run(keep int) (GCResult, error) {
	if err := c.choose(max(keep, 1)); err != nil {
		return GCResult{}, err
	}
	if len(c.kept) == 0 {
		return GCResult{}, nil
	}
	for _, step := range []func() error{c.removeSets, c.removeTags, c.removeLinks, c.removeBlobs, c.sync} {
		if err := step(); err != nil {
			return c.result, fmt.Errorf("removing old sets: %w", err)
		}
	}
	return c.result, nil
}

// remove removes path and all below it, unless this is only a plan.
func (c *collector) remove(path string) error {
	if c.plan {
		return nil
	}
	return os.RemoveAll(path)
}

func (c *collector) sync() error {
	if c.plan {
		return nil
	}
	return c.s.sync()
}

func (c *collector) choose(keep int) error {
	sets, bad, err := c.s.storedSets()
	if err = errors.Join(append(bad, err)...); err != nil {
		return fmt.Errorf("removing old sets: %w", err) // what an unreadable set needs is not known
	}
	current, _, err := c.s.readPointer()
	if err != nil && !errors.Is(err, ErrNoSet) {
		return err
	}
	c.blobs, c.repos, c.images = make(map[Digest]bool), make(map[string]bool), make(map[Image]bool)
	for i, st := range sets {
		if i < keep || st.set.ID == current {
			c.keep(st.set)
		} else {
			c.drop = append(c.drop, st.set.ID)
		}
	}
	return nil
}

func (c *collector) keep(set *Set) {
	c.kept = append(c.kept, set)
	for _, b := range set.Blobs {
		c.blobs[b.Digest] = true
	}
	for _, m := range set.Images {
		c.images[m] = true
		c.repos[m.Repository] = true
	}
}

func (c *collector) removeSets() error {
	for _, id := range c.drop {
		if err := c.remove(c.s.setPath(id)); err != nil {
			return err
		}
		c.result.Sets = append(c.result.Sets, id)
	}
	c.s.step("sets removed")
	return c.sync()
}
