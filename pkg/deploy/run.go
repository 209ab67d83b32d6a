// Package deploy is the main job on the deploy server: it takes a bundle and a
// list of hosts and ends with every host serving every image from its own
// registry, or leaning on the central one, or named as failed (R7).
//
// [Run] is a literal list of steps, one file each. A step works on all hosts at
// once; what goes wrong on a host is kept in that host and never ends the run.
// All that happens on a machine, the sender too, is asked of an agent there
// (pkg/agent), so a sender elsewhere is no special case.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Why a run ends before anything was sent.
var (
	// ErrInput: the bundle or the configuration is not usable.
	ErrInput = errors.New("deploy: unusable input")
	// ErrNoWay: no host can be reached, or none reaches the sender.
	ErrNoWay = errors.New("deploy: no way to the hosts")
	// ErrInterrupted: the context was cancelled; its cause is wrapped too.
	ErrInterrupted = errors.New("interrupted")
	// ErrDeadline is the cause of what was cut short by Config.Timeout.
	ErrDeadline = errors.New("the run's deadline has passed")
)

// A step is one entry of the main job. An error of do ends the run.
type step struct {
	name string
	do   func(context.Context) error
	skip bool // it was not asked for
}

// steps is the main job.
func (r *run) steps() []step {
	return slices.DeleteFunc(r.allSteps(), func(s step) bool { return s.skip })
}

func (r *run) allSteps() []step {
	return []step{
		{name: "connect", do: r.connect},
		{name: "import", do: r.importBundle},
		{name: "central", do: r.serveCentrally},
		{name: "list", do: r.giveList},
		{name: "check", do: r.check},
		{name: "room", do: r.checkRoom, skip: !r.cfg.Preload},
		{name: "serve", do: r.serve},
		{name: "send", do: r.send},
		{name: "verify", do: r.verify},
		{name: "recover", do: r.recoverHosts},
		{name: "bypass", do: r.bypass, skip: !r.cfg.Bypass || r.cfg.GlobalsDir == ""},
		{name: "preload", do: r.preload, skip: !r.cfg.Preload},
		{name: "kolla", do: r.configureKolla},
	}
}

// run is the state of one main job. The goroutine of Run owns it; what hosts
// report comes in through their own fields.
type run struct {
	cfg     Config
	hosts   []*host
	sender  *host
	started time.Time

	importing *importing // nil before the sender is connected
	set       *store.Set
	// linkInodes are what the set's links take in an empty store.
	linkInodes int64
	upstream   registry.Upstream
	carrier    message.Carrier

	deadline time.Time
	files    uint64 // how many this process may have open; 0: it is not known
	report   Report
	accepts  chan struct{} // closed, once, when the sender takes receivers
	accept   sync.Once

	// dial starts an agent: bootstrap, but for tests.
	dial func(context.Context, *host) (agentSession, io.Reader, io.Writer, error)

	unpackTime time.Duration          // of the deadline, for engines that load images
	summed     atomic.Pointer[string] // the step whose bytes are those of all hosts; nil: none
	lastSummed atomic.Int64           // when they were shown, in Unix nanoseconds

	mu       sync.Mutex                 // guards what follows
	encoded  map[string]control.Encoded // see alike
	warnings []string
}

// Run does the main job and returns what became of every host. The Report is
// good beside an error too, which is ErrInput or ErrNoWay when nothing was
// changed on any host, or ErrInterrupted.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.BaseDir == "" {
		cfg.BaseDir = remote.DefaultBaseDir
	}
	r := newRun(cfg)
	r.dial = r.bootstrap
	return r.whole(ctx)
}

func newRun(cfg Config) *run {
	r := &run{cfg: cfg, started: time.Now(), carrier: cfg.Carrier, files: openFiles(), accepts: make(chan struct{})}
	r.openHosts()
	return r
}

func (r *run) whole(ctx context.Context) (*Report, error) {
	r.setDeadline(r.bundleSize())
	err := r.run(ctx)
	r.endImport()
	r.close(ctx)
	return r.finish(err), err
}

// setDeadline sets the run's end, by default for a payload of so many bytes.
func (r *run) setDeadline(payload int64) {
	timeout := r.cfg.Timeout
	if timeout == 0 {
		timeout = TimeoutBase + time.Duration(payload/TimeoutRate)*time.Second
	}
	r.deadline = r.started.Add(timeout)
}

func (r *run) run(ctx context.Context) error {
	steps := r.steps()
	for i, s := range steps {
		r.emit(progress.Event{Kind: progress.StepStarted, Step: s.name, Index: i + 1, Of: len(steps), Hosts: len(r.hosts)})
		begin := time.Now()
		err := s.do(ctx)
		r.report.Timings = append(r.report.Timings, Timing{Step: s.name, Seconds: time.Since(begin).Seconds()})
		if ctx.Err() != nil {
			return interrupted(ctx)
		}
		if err != nil {
			return err
		}
		r.emit(progress.Event{Kind: progress.StepDone, Step: s.name})
	}
	return nil
}

func interrupted(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrInterrupted, context.Cause(ctx))
}

// within bounds a step by limit and by the run's deadline.
func (r *run) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	at, cause := time.Now().Add(limit), error(&timeUp{text: fmt.Sprintf("no answer within %v", limit.Round(time.Second))})
	if !at.Before(r.deadline) {
		at, cause = r.deadline, &timeUp{text: "no answer by the end of the run's time", is: ErrDeadline}
	}
	return context.WithDeadlineCause(ctx, at, cause)
}

// patiently bounds a call to h by limit from the last time that h told of progress, and
// by the run's deadline.
func (r *run) patiently(ctx context.Context, h *host, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := r.within(ctx, time.Until(r.deadline))
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() {
		cancel(&timeUp{text: fmt.Sprintf("no answer and no progress within %v", limit.Round(time.Second))})
	})
	again := func() { timer.Reset(limit) }
	h.moved.Store(&again)
	return ctx, func() {
		h.moved.Store(nil)
		timer.Stop()
		cancel(nil)
		end()
	}
}

// isCancelled reports whether ctx was ended by somebody, and not by time.
func isCancelled(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

// timeUp is the cause of a context that has ended by its deadline.
type timeUp struct {
	text string
	is   error // what else it is; may be nil
}

func (e *timeUp) Error() string { return e.text }

// Is makes it one of context's too, by which others know it.
func (e *timeUp) Is(target error) bool {
	return target == context.DeadlineExceeded || e.is != nil && target == e.is
}

// each runs do for all hosts at once, waits, and keeps what went wrong in the
// host.
func (r *run) each(ctx context.Context, name string, hosts []*host, do func(context.Context, *host) error) {
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(func() {
			begin := time.Now()
			err := do(ctx, h)
			h.took(name, time.Since(begin))
			if err != nil && errors.Is(ctx.Err(), context.Canceled) {
				err = interrupted(ctx)
			}
			if err != nil {
				r.blame(h, name, err)
			}
		})
	}
	wg.Wait()
}

// blame keeps err as what h's outcome is due to, and shows it.
func (r *run) blame(h *host, step string, err error) {
	p := h.fail(step, err)
	r.emit(progress.Event{
		Kind: progress.HostState, Step: step, Host: h.label(), State: "problem",
		Reason: p.String(),
	})
}

func (r *run) emit(e progress.Event) {
	if r.cfg.Progress != nil {
		r.cfg.Progress.Event(e)
	}
}

func (r *run) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.warnings = append(r.warnings, text)
	r.mu.Unlock()
	r.emit(progress.Event{Kind: progress.Warning, Message: text})
}

// where returns the hosts for which keep holds.
func (r *run) where(keep func(*host) bool) []*host {
	var out []*host
	for _, h := range r.hosts {
		if keep(h) {
			out = append(out, h)
		}
	}
	return out
}

// close ends all sessions in order, so that agents can clean up.
func (r *run) close(ctx context.Context) {
	limit := CloseTime
	if !time.Now().Before(r.deadline) {
		limit = LateCloseTime
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	all := slices.Concat(r.hosts, []*host{r.sender})
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() { h.close(ctx) })
	}
	wg.Wait()
	for _, h := range all {
		h.cfg.Remote.Close() // after all: the sender's may be a target's too
	}
}
