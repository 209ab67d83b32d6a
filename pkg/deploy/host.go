package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// A Problem is what a host's outcome is due to.
type Problem struct {
	Step   string `json:"step"`
	Reason string `json:"reason"` // message's reasons, or remote's
	Text   string `json:"text"`
}

func (p *Problem) String() string {
	if p.Text == "" {
		return p.Reason
	}
	return p.Reason + ": " + p.Text
}

// reasonLost is that of a session which ended on its own.
const (
	reasonLost     = "connection lost"
	reasonSilent   = "silent"
	reasonDeadline = "deadline"
	reasonInternal = "internal"

	reasonInterrupted = "interrupted"
)

// host is one machine of a run. A step's goroutine for the host owns it while
// the step lasts, and the run's between steps; mu guards what both may touch.
type host struct {
	cfg  Host
	name string // proven or given; "" for an address that proved nothing

	session *session // nil when there is none
	facts   message.Facts
	missing message.Indexes // into the set's blobs
	checked message.CheckResult
	// answered reports whether checked is an answer.
	answered bool
	shared   bool // its registry is the central one's process
	listed   bool // it took the set's list
	serving  bool // a registry of ours runs there
	lost     bool // its session ended on its own
	gone     bool // and no new one could be opened
	bypasses bool // it failed, and its engine pulls from the central registry
	served   message.Served
	switched bool // it serves another set than before, or in another way

	got message.ReceiveResult
	// received are bytes, of what its agent does at the time: those that came, that were
	// read again or loaded. all is what they come to in the end, where that is told.
	received atomic.Int64
	all      atomic.Int64
	moved    atomic.Pointer[func()] // called when it tells of bytes; mostly nil
	outcome  progress.Outcome
	preload  preloading

	mu      sync.Mutex
	problem *Problem
	timings []Timing
}

// session is an agent that runs.
type session struct {
	remote agentSession
	client *control.Client
}

// agentSession is what a run needs of a *remote.Session.
type agentSession interface {
	Done() <-chan struct{}
	Kill()
	Wait() error
	Shutdown(context.Context) error
}

// label names the host for people. A host without a name has an address.
func (h *host) label() string {
	if h.name != "" {
		return h.name
	}
	return h.address()
}

// address is what is known of the host's address: "" for one whose name only
// ssh knows, until it has said by which address it reaches the sender.
func (h *host) address() string {
	for _, a := range []netip.Addr{h.cfg.Address, h.checked.LocalIP} {
		if a.IsValid() {
			return a.String()
		}
	}
	return ""
}

// isUsable reports whether calls can be made to the host.
func (h *host) isUsable() bool { return h.session != nil }

// canLean reports whether the host's own registry can answer for the set.
func (h *host) canLean() bool { return h.isUsable() && h.listed && h.serving }

// receives reports whether the host takes part in the sending.
func (h *host) receives() bool {
	return h.canLean() && h.missing.Len() > 0 && h.trouble() == nil
}

func (h *host) trouble() *Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.problem
}

// fail keeps the first problem: later ones follow from it.
func (h *host) fail(step string, err error) *Problem {
	p := problemOf(step, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problem == nil {
		h.problem = p
	}
	return p
}

func (h *host) took(step string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timings = append(h.timings, Timing{Step: step, Seconds: d.Seconds()})
}

func problemOf(step string, err error) *Problem {
	p := &Problem{Step: step, Reason: reasonInternal, Text: err.Error()}
	var answered *control.Error
	var reach *remote.Error
	var given *message.Problem
	switch {
	case errors.Is(err, ErrInterrupted):
		p.Reason, p.Text = reasonInterrupted, ""
	case errors.As(err, &given):
		p.Reason, p.Text = given.Reason, given.Text
	case errors.As(err, &answered):
		if answered.Reason != "" {
			p.Reason = answered.Reason
		}
	case errors.Is(err, errLost):
		p.Reason = reasonLost
	case errors.As(err, &reach):
		p.Reason = string(reach.Reason)
		p.Text = reach.Detail
		if p.Text == "" && reach.Err == nil {
			p.Text = "the session ended without a word"
		}
		if reach.Err != nil {
			p.Text = joinText(p.Text, reach.Err.Error())
		}
		if hint := reach.Hint(); hint != "" {
			p.Text += "; hint: " + hint
		}
	case errors.Is(err, control.ErrSilent):
		p.Reason = reasonSilent
	case errors.Is(err, context.DeadlineExceeded):
		p.Reason = reasonDeadline
	}
	return p
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + ": " + b
}

var errLost = errors.New("the agent's session ended")

// call makes a call to the host's agent. When the session turns out to be over,
// the host has none any more.
func (h *host) call(ctx context.Context, method string, req, res any) error {
	if h.session == nil {
		return errLost
	}
	err := h.session.client.Call(ctx, method, req, res)
	return h.after(ctx, err)
}

// callAlike is call with a request that other hosts get too.
func (h *host) callAlike(ctx context.Context, req control.Encoded, res any) error {
	if h.session == nil {
		return errLost
	}
	return h.after(ctx, h.session.client.CallEncoded(ctx, req, res))
}

// after looks at the error of a call: only an answer leaves the session usable.
func (h *host) after(ctx context.Context, err error) error {
	var answered *control.Error
	if err == nil || errors.As(err, &answered) {
		return err
	}
	if isCancelled(ctx) {
		return err // the run ends: close ends the session in order
	}
	s := h.session
	h.session, h.lost = nil, true
	if errors.Is(err, control.ErrClosed) {
		select { // it may be about to say why
		case <-s.remote.Done():
		case <-time.After(EndTime):
		}
	}
	s.remote.Kill()
	if ctx.Err() != nil || errors.Is(err, control.ErrSilent) {
		return err
	}
	if why := s.remote.Wait(); why != nil {
		return fmt.Errorf("%w: %w", errLost, why)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// close ends the session in order.
func (h *host) close(ctx context.Context) {
	if h.session != nil {
		_ = h.session.remote.Shutdown(ctx) // the run is over: nothing depends on it
	}
}

// onEvent takes what the host's agent tells beside its answers.
func (r *run) onEvent(h *host) func(string, json.RawMessage) {
	return func(name string, body json.RawMessage) {
		switch name {
		case message.EventOpen:
			if h == r.sender {
				r.accept.Do(func() { close(r.accepts) })
			}
		case message.EventNote:
			var n message.Note
			if json.Unmarshal(body, &n) == nil {
				r.warn("%s: %s", h.label(), remote.Sanitize(n.Text))
			}
		case message.EventBytes:
			var b message.Bytes
			if json.Unmarshal(body, &b) == nil {
				r.onBytes(h, b)
			}
		}
	}
}

// onBytes shows how far the run is: when the sender speaks, with what the hosts
// said since.
func (r *run) onBytes(h *host, b message.Bytes) {
	if again := h.moved.Load(); again != nil {
		(*again)()
	}
	if h != r.sender {
		h.received.Store(b.Done)
		h.all.Store(b.Total)
		r.showSum()
		return
	}
	e := progress.Event{Kind: progress.Bytes, Sent: b.Done, Total: b.Total, Received: make(map[string]int64)}
	for _, other := range r.hosts {
		if n := other.received.Load(); n > 0 {
			e.Received[other.label()] = n
		}
	}
	r.emit(e)
}

// openHosts makes the run's hosts of the configured ones.
func (r *run) openHosts() {
	for _, c := range r.cfg.Hosts {
		r.hosts = append(r.hosts, newHost(c, r.cfg.BaseDir))
	}
	// The sender's agent is one of its own, also on a host that is a target too.
	r.sender = newHost(r.cfg.Sender, r.cfg.BaseDir)
}

func newHost(c Host, baseDir string) *host {
	if c.BaseDir == "" {
		c.BaseDir = baseDir
	}
	if !c.Listen.IsValid() {
		c.Listen = netip.MustParseAddrPort("127.0.0.1:4000")
	}
	return &host{cfg: c, name: c.Name}
}
