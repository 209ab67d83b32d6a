package registry

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A question names content upstream.
type question struct {
	up   *upstreamClient
	repo string
	part string // "manifests" or "blobs"
	want store.Blob
}

func (q question) open(ctx context.Context) (io.ReadCloser, error) {
	return q.up.open(ctx, q.repo, q.part, q.want)
}

// A flightKey tells fetches apart: a digest is the same content in all
// repositories, but not the same question in both parts.
type flightKey struct {
	up     *upstreamClient
	part   string
	digest store.Digest
}

// flights are the fetches under way. Safe for concurrent use.
type flights struct {
	fill *filler // nil when nothing is kept

	fetched, shared count // fetches begun; askers that found theirs under way

	mu    sync.Mutex
	open  map[flightKey]*flight // the newest of each key
	alive map[*flight]bool      // also those that nobody can join any more
	wg    sync.WaitGroup
}

// fetch returns the content of q, unproven: by a fetch that is under way, or by a
// new one. Beyond maxFlights a fetch is not shared, so that the windows stay
// bounded.
func (fs *flights) fetch(ctx context.Context, q question) (io.ReadCloser, error) {
	a, ok := fs.board(ctx, q)
	if !ok {
		fs.fetched.add(1)
		return q.open(ctx)
	}
	select {
	case <-a.flight.opened:
	case <-ctx.Done():
		a.Close()
		return nil, context.Cause(ctx)
	}
	if err := a.flight.refused(); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// refused returns why the upstream gave nothing at all.
func (f *flight) refused() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == 0 && f.err != io.EOF { //nolint:errorlint // io.Readers return it bare
		return f.err
	}
	return nil
}

func (fs *flights) board(ctx context.Context, q question) (*asker, bool) {
	key := flightKey{q.up, q.part, q.want.Digest}
	alone := func(from int64) (io.ReadCloser, error) {
		fs.fetched.add(1)
		return q.up.openFrom(ctx, q.repo, q.part, q.want, from)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.open[key]; f != nil {
		if a, ok := f.board(ctx, askerPatience, alone); ok {
			fs.shared.add(1)
			return a, true
		}
	}
	if len(fs.alive) >= maxFlights {
		return nil, false
	}
	return fs.begin(ctx, key, q, alone), true
}

// begin starts a flight with its first asker, and one that fills the store.
func (fs *flights) begin(ctx context.Context, key flightKey, q question, alone func(int64) (io.ReadCloser, error)) *asker {
	// The first asker may leave while others stay.
	flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := newFlight(q.want, cancel)
	a, _ := f.board(ctx, askerPatience, alone)
	fs.fetched.add(1)
	if fs.open == nil {
		fs.open, fs.alive = make(map[flightKey]*flight), make(map[*flight]bool)
	}
	fs.open[key], fs.alive[f] = f, true
	if fs.fill != nil && fs.fill.claim(q.want.Digest) {
		saver, _ := f.board(context.WithoutCancel(ctx), fillPatience, nil) // it ends with the flight
		fs.wg.Go(func() {
			defer fs.fill.unclaim(q.want.Digest)
			fs.fill.save(saver, q.want)
		})
	}
	fs.wg.Go(func() {
		f.run(flying, q.open)
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if fs.open[key] == f {
			delete(fs.open, key)
		}
		delete(fs.alive, f)
	})
	return a
}

// stop ends all fetches and returns when none is under way any more.
func (fs *flights) stop() {
	fs.mu.Lock()
	for f := range fs.alive {
		f.cancel()
	}
	fs.mu.Unlock()
	fs.wg.Wait()
}

// openFrom is open from that byte on. A registry that knows no ranges sends all,
// and what comes before is thrown away.
func (c *upstreamClient) openFrom(ctx context.Context, repo, part string, want store.Blob, from int64) (io.ReadCloser, error) {
	resp, err := c.askFrom(ctx, repo, part, want, from)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength == want.Size && from > 0 {
		if _, err := io.CopyN(io.Discard, resp.Body, from); err != nil {
			resp.Body.Close()
			return nil, fmt.Errorf("reading %s again: %w", want.Digest, err)
		}
	}
	return resp.Body, nil
}
