package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why a watchdog kills, besides a context that is done.
var (
	errSilent  = errors.New("the host says nothing")
	errStopped = errors.New("stopped") // not a reason: nothing is to be killed any more
)

// A watchdog kills a session when its host is silent for too long or when a
// context is done, and remembers why.
type watchdog struct {
	session  *Session
	patience time.Duration
	timer    *time.Timer
	unwatch  func() bool

	mu  sync.Mutex
	why error // the first reason to kill
}

func newWatchdog(ctx context.Context, s *Session, patience time.Duration) *watchdog {
	w := &watchdog{session: s, patience: patience}
	w.timer = time.AfterFunc(patience, func() { w.kill(errSilent) })
	w.unwatch = context.AfterFunc(ctx, func() { w.kill(context.Cause(ctx)) })
	return w
}

// heard starts the host's patience anew.
func (w *watchdog) heard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.why == nil {
		w.timer.Reset(w.patience)
	}
}

// kill ends the session because of why, unless it was killed or stopped before.
func (w *watchdog) kill(why error) {
	w.mu.Lock()
	first := w.why == nil
	if first {
		w.why = why
	}
	w.mu.Unlock()
	if first {
		w.session.Kill()
	}
}

// stop ends the watch and returns why the session was killed, nil if it was
// not. After stop the watchdog does nothing more.
func (w *watchdog) stop() error {
	w.timer.Stop()
	w.unwatch()
	w.mu.Lock()
	defer w.mu.Unlock()
	why := w.why
	if why == nil {
		w.why = errStopped
	}
	if errors.Is(why, errStopped) {
		return nil
	}
	return why
}
