package store

import "sync"

// claims are the digests that a set needs which is still to be put: its blobs are
// coming in one by one, and GC cannot know that they belong together. The lock on
// the directory keeps other processes' GC away, but a lock belongs to the open
// file, so it says nothing about goroutines that share one Store. Safe for
// concurrent use.
type claims struct {
	// gc is held for writing by a run of GC, and for reading while a blob, a set
	// or a link gets its name, which takes milliseconds.
	gc sync.RWMutex

	mu     sync.Mutex
	counts map[Digest]int // >= 1
}

func (c *claims) add(d Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[Digest]int)
	}
	c.counts[d]++
}

// drop takes back one add.
func (c *claims) drop(d Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.counts[d]; n > 1 {
		c.counts[d] = n - 1
	} else {
		delete(c.counts, d)
	}
}

// settle ends all claims on what set lists: from now on the set keeps it.
func (c *claims) settle(set *Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range set.Blobs {
		delete(c.counts, b.Digest)
	}
}

// forget ends all claims on d.
func (c *claims) forget(d Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.counts, d)
}

func (c *claims) has(d Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[d] > 0
}

// Claim says that d belongs to a set that will be put: this Store's GC leaves it
// alone until PutSet or Activate of a set that lists it, RemoveBlob, or Unclaim
// when nothing came of the set. NewBlob
// claims what it writes; a blob that is in the store already is claimed by this,
// before it is looked for. It waits while GC runs.
func (s *Store) Claim(d Digest) {
	s.claims.gc.RLock()
	defer s.claims.gc.RUnlock()
	s.claims.add(d)
}

// Unclaim takes back one Claim.
func (s *Store) Unclaim(d Digest) { s.claims.drop(d) }
