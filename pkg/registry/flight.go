package registry

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A flight is one fetch from upstream that all who ask for the same content at
// that time share. Its bytes pass through a window of bounded size; each asker
// reads, and proves, them for itself. Askers keep step: the fetch waits for the
// slowest. One that holds up the others for more than its patience in all is left
// behind and goes on by a fetch of its own.
//
//	under way --last asker leaves--> cancelled
//	    |------upstream ends-------> ended (err is io.EOF or the fault)
//
// run's goroutine is the only writer of window and head. mu guards all below it.
type flight struct {
	want   store.Blob
	cancel context.CancelFunc
	opened chan struct{} // closed by run when the upstream has answered, or cannot

	mu     sync.Mutex
	more   *sync.Cond // of mu: any change
	window []byte     // a ring: the bytes from head-len(window) on, as far as there are
	head   int64      // bytes fetched
	err    error      // why it ended; nil while it is under way
	askers map[*asker]bool
}

func newFlight(want store.Blob, cancel context.CancelFunc) *flight {
	f := &flight{want: want, cancel: cancel, opened: make(chan struct{}), askers: make(map[*asker]bool)}
	f.more = sync.NewCond(&f.mu)
	return f
}

// An asker reads a flight from its beginning. For one goroutine, but for what
// flight.mu guards.
type asker struct {
	ctx    context.Context //nolint:containedctx // a Read cannot be given one
	flight *flight
	// alone fetches the rest from that byte on, when the flight has left this
	// asker behind; nil for one that gives up then.
	alone func(from int64) (io.ReadCloser, error)
	own   io.ReadCloser // of alone
	stop  func() bool   // of the watch over ctx

	pos      int64         // guarded by flight.mu, like the rest
	patience time.Duration // that the others still have with it
	left     bool          // behind
}

var errLeftBehind = errors.New("registry: too slow for the others that fetch the same")

// board adds an asker, unless the flight's beginning is over.
func (f *flight) board(ctx context.Context, patience time.Duration, alone func(int64) (io.ReadCloser, error)) (*asker, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.head > int64(len(f.window)) {
		return nil, false
	}
	a := &asker{ctx: ctx, flight: f, alone: alone, patience: patience}
	f.askers[a] = true
	a.stop = context.AfterFunc(ctx, f.wake)
	return a, true
}

func (f *flight) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.more.Broadcast()
}

// run fetches until the body ends or nobody asks any more.
func (f *flight) run(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) {
	defer f.cancel()
	body, err := open(ctx)
	if err != nil {
		f.end(err)
		close(f.opened)
		return
	}
	close(f.opened)
	defer body.Close()
	buf := make([]byte, withheld)
	for {
		n, err := body.Read(buf)
		if !f.pass(buf[:n]) {
			err = context.Canceled
		}
		if err != nil {
			f.end(err)
			return
		}
	}
}

func (f *flight) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.more.Broadcast()
}

// pass puts p into the window when all askers have room for it, and reports
// whether there are any.
func (f *flight) pass(p []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.window == nil {
		f.window = make([]byte, min(max(f.want.Size, 1), flightWindow))
	}
	for len(p) > 0 {
		n := min(len(p), len(f.window))
		f.makeRoom(int64(n))
		if len(f.askers) == 0 {
			return false
		}
		at := int(f.head % int64(len(f.window)))
		k := copy(f.window[at:], p[:n])
		copy(f.window, p[k:n])
		f.head += int64(n)
		p = p[n:]
		f.more.Broadcast()
	}
	return len(f.askers) > 0
}

// makeRoom waits until n more bytes overwrite nothing that an asker has yet to
// read. Who is in the way of others loses patience, and then its place.
func (f *flight) makeRoom(n int64) {
	for {
		slow, shortest := f.slow(f.head + n - int64(len(f.window)))
		if len(slow) == 0 {
			return
		}
		if !f.anyStarves() { // they hold up nobody
			f.more.Wait()
			continue
		}
		begun := time.Now()
		alarm := time.AfterFunc(shortest, f.wake)
		f.more.Wait()
		alarm.Stop()
		waited := time.Since(begun)
		for _, a := range slow {
			if a.patience -= waited; a.patience <= 0 {
				a.left = true
				delete(f.askers, a)
				f.more.Broadcast()
			}
		}
	}
}

// slow returns the askers that have not read up to byte upTo, and the least patience
// that is left with one of them.
func (f *flight) slow(upTo int64) (slow []*asker, shortest time.Duration) {
	for a := range f.askers {
		if a.pos >= upTo {
			continue
		}
		if slow == nil || a.patience < shortest {
			shortest = a.patience
		}
		slow = append(slow, a)
	}
	return slow, shortest
}

// anyStarves reports whether an asker has read all that there is. The one that fills
// the store does not count: it is in no hurry.
func (f *flight) anyStarves() bool {
	for a := range f.askers {
		if a.pos == f.head && a.alone != nil {
			return true
		}
	}
	return false
}

// Read gives the next bytes. Its errors are the flight's, or the context's.
func (a *asker) Read(p []byte) (int, error) {
	if a.own != nil {
		return a.own.Read(p)
	}
	n, err := a.flight.read(a, p)
	if !errors.Is(err, errLeftBehind) || a.alone == nil {
		return n, err
	}
	if a.own, err = a.alone(a.pos); err != nil {
		return 0, err
	}
	return a.own.Read(p)
}

func (f *flight) read(a *asker, p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for a.pos == f.head && f.err == nil && !a.left && a.ctx.Err() == nil {
		f.more.Wait()
	}
	switch {
	case a.ctx.Err() != nil:
		return 0, context.Cause(a.ctx)
	case a.left:
		return 0, errLeftBehind
	case a.pos == f.head:
		return 0, f.err
	}
	at := int(a.pos % int64(len(f.window)))
	n := copy(p[:min(int64(len(p)), f.head-a.pos)], f.window[at:])
	a.pos += int64(n)
	f.more.Broadcast()
	return n, nil
}

// Close gives the asker's place up. The last one's ends the flight.
func (a *asker) Close() error {
	a.stop()
	f := a.flight
	f.mu.Lock()
	delete(f.askers, a)
	if len(f.askers) == 0 && f.err == nil {
		f.cancel()
	}
	f.more.Broadcast()
	f.mu.Unlock()
	if a.own != nil {
		return a.own.Close()
	}
	return nil
}
