package imageset

import (
	"sync"

	"golang.org/x/sync/errgroup"
)

// A committable is a blob whose bytes are there: a store.BlobWriter or BlobStage.
type committable interface{ Commit() error }

// A committer commits blobs beside the goroutine that writes them: an fsync
// takes as long as writing some megabytes. It takes a few at a time.
type committer struct {
	group errgroup.Group
	turn  chan struct{} // has room for those at a time

	mu    sync.Mutex
	first error
}

// newCommitter returns one that lets some more wait for their turn.
func newCommitter(waiting int) *committer {
	c := &committer{turn: make(chan struct{}, commitsAtOnce)}
	c.group.SetLimit(commitsAtOnce + waiting)
	return c
}

// commit begins to commit w; it waits while many others are under way. What
// Commit returns goes through done, and what that returns ends the whole run.
func (c *committer) commit(w committable, done func(error) error) {
	c.group.Go(func() error {
		c.turn <- struct{}{}
		defer func() { <-c.turn }()
		c.note(done(w.Commit()))
		return nil
	})
}

// note keeps the first error; nil is none.
func (c *committer) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = err
	}
}

// failed returns the first error so far.
func (c *committer) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// wait waits for all commits and returns the first error.
func (c *committer) wait() error {
	_ = c.group.Wait() // what it runs returns nil; failed says more
	return c.failed()
}
