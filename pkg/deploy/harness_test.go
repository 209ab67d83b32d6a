package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A fakeAgent answers a run's calls over a real control connection in memory. It
// takes everything, and a test changes what it wants otherwise.
type fakeAgent struct {
	starts   bool // its registry is started, not found
	switches bool // it served another set before

	facts    message.Facts
	missing  message.Indexes
	check    message.CheckResult
	received message.ReceiveResult

	preloaded message.Preloaded
	// errs are what calls answer instead, by their name; dies names a call during
	// which the session ends, once.
	errs        map[string]error
	dies        string
	hangs       string // a call that never ends, though the agent beats
	mute        bool   // as the sender it takes no receivers
	dialErr     error
	dialErrOnce bool // only the first dial gives it
	redialErr   error
	onCall      func(name string) // may be nil

	mu    sync.Mutex
	dials int
	calls []string
	bytes map[string]json.RawMessage // the last request of each call
}

func (f *fakeAgent) answer(s *fakeSession, name string, result func() any) control.Handler {
	return func(ctx context.Context, body json.RawMessage, _ io.Reader) (any, error) {
		f.mu.Lock()
		f.calls = append(f.calls, name)
		f.bytes[name] = body
		dies := f.dies == name
		if dies {
			f.dies = ""
		}
		err := f.errs[name]
		f.mu.Unlock()
		if f.onCall != nil {
			f.onCall(name)
		}
		if dies {
			s.Kill()
		}
		if dies || f.hangs == name {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		return result(), nil
	}
}

// did reports whether the call was made, and counts it.
func (f *fakeAgent) did(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == name {
			n++
		}
	}
	return n
}

type fakeSession struct {
	inOrder atomic.Bool // it was asked to end, not killed
	once    sync.Once
	in      *io.PipeWriter // the run's end of the agent's input
	out     *io.PipeReader // and of its output
	done    chan struct{}  // closed when the agent has ended
}

func (s *fakeSession) Kill() {
	s.once.Do(func() {
		s.in.Close()
		s.out.CloseWithError(io.EOF)
	})
}

func (s *fakeSession) Done() <-chan struct{} { return s.done }
func (s *fakeSession) Wait() error           { return nil }

func (s *fakeSession) Shutdown(context.Context) error {
	s.inOrder.Store(true)
	s.Kill()
	<-s.done
	return nil
}

// A bench is a run over fake agents.
type bench struct {
	t      *testing.T
	set    *store.Set
	sender *fakeAgent
	agents []*fakeAgent
	cfg    Config

	mu       sync.Mutex
	sessions []*fakeSession
}

func newBench(t *testing.T, hosts int) *bench {
	t.Helper()
	b := &bench{t: t, set: testSet(t)}
	b.sender = b.newAgent("deploy", netip.MustParseAddr("10.0.0.1"))
	b.cfg = Config{
		Sender:   Host{Name: "this machine", Remote: local.New("this machine")},
		LocalIP:  netip.MustParseAddr("10.0.0.1"),
		Bundle:   "bundle.tgz",
		Central:  netip.AddrPortFrom(netip.Addr{}, 4000),
		Carrier:  message.Carrier{Protocol: "jasmine", Sender: netip.AddrPortFrom(netip.Addr{}, 18383)},
		Fallback: kolla.Uniform,
		Timeout:  time.Minute,
	}
	for i := range hosts {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i / 200), byte(10 + i%200)})
		name := fmt.Sprintf("host%d", i)
		b.agents = append(b.agents, b.newAgent(name, addr))
		b.cfg.Hosts = append(b.cfg.Hosts, Host{Name: name, Address: addr, Remote: local.New(name)})
	}
	return b
}

func testSet(t *testing.T) *store.Set {
	t.Helper()
	var blobs []store.Blob
	for i := range 4 {
		blobs = append(blobs, store.Blob{Digest: store.DigestOf([]byte{byte(i)}), Size: 1000})
	}
	images := []store.Image{{Repository: "kolla/keystone", Tag: "6.0.0", Manifest: blobs[0].Digest}}
	set, err := store.NewSet(images, blobs, []string{"amd64"}, store.Release{Tag: "6.0.0", Branch: "stable/queens"}, time.Unix(0, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (b *bench) newAgent(name string, addr netip.Addr) *fakeAgent {
	return &fakeAgent{
		facts: message.Facts{
			Hostname: name, Machine: name, Architecture: "amd64",
			Addresses: []netip.Addr{addr}, MACs: []string{"52:54:00:00:00:" + fmt.Sprintf("%02x", addr.As4()[3])},
		},
		missing:  message.IndexesOf(0, 1, 2, 3),
		check:    message.CheckResult{LocalIP: addr},
		received: message.ReceiveResult{Bytes: 4000, Packets: 4, Missing: message.Indexes{}},
		errs:     make(map[string]error),
		bytes:    make(map[string]json.RawMessage),
	}
}

// dial starts the fake agent that belongs to h.
func (b *bench) dial(r *run) func(context.Context, *host) (agentSession, io.Reader, io.Writer, error) {
	return func(_ context.Context, h *host) (agentSession, io.Reader, io.Writer, error) {
		f := b.sender
		for i, other := range r.hosts {
			if other == h {
				f = b.agents[i]
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dials++
		if err := f.dialErr; err != nil && (f.dials == 1 || !f.dialErrOnce) {
			return nil, nil, nil, err
		}
		if f.dials > 1 && f.redialErr != nil {
			return nil, nil, nil, f.redialErr
		}
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		s := &fakeSession{in: inW, out: outR, done: make(chan struct{})}
		b.mu.Lock()
		b.sessions = append(b.sessions, s)
		b.mu.Unlock()
		handlers := b.handlers(f, s)
		server := control.NewServer(outW, handlers)
		send := handlers[message.CallSend]
		handlers[message.CallSend] = func(ctx context.Context, body json.RawMessage, data io.Reader) (any, error) {
			if f.mute {
				return send(ctx, body, data)
			}
			if err := server.Emit(message.EventOpen, message.Empty{}); err != nil {
				return nil, err
			}
			return send(ctx, body, data)
		}
		go func() {
			defer close(s.done)
			if err := server.Serve(context.Background(), inR); err != nil {
				b.t.Errorf("a fake agent: %v", err)
			}
			outW.Close()
		}()
		return s, outR, inW, nil
	}
}

func (b *bench) handlers(f *fakeAgent, s *fakeSession) map[string]control.Handler {
	empty := func() any { return message.Empty{} }
	results := map[string]func() any{
		message.CallSetup:    func() any { return f.facts },
		message.CallImport:   func() any { return message.ImportResult{Set: b.set} },
		message.CallCentral:  func() any { return registry.Upstream{URL: "https://10.0.0.1:4000", CA: []byte("ca")} },
		message.CallReach:    empty,
		message.CallListen:   empty,
		message.CallList:     func() any { return message.Have{Missing: f.missing} },
		message.CallCheck:    func() any { return f.check },
		message.CallServe:    func() any { return message.Served{Mode: "container", SurvivesReboot: true, Changed: f.starts} },
		message.CallSend:     func() any { return message.SendResult{Bytes: 4000} },
		message.CallReceive:  func() any { f.missing = f.received.Missing; return f.received },
		message.CallActivate: func() any { return message.Activated{Changed: f.switches} },
		message.CallVerify:   empty,
		message.CallPull:     empty,
		message.CallUnpack:   func() any { return message.Unpacked{Layers: []message.Layer{{Chain: "sha256:00", Bytes: 10}}} },
		message.CallRoom:     empty,
		message.CallPreload:  func() any { return f.preloaded },
	}
	handlers := make(map[string]control.Handler)
	for name, result := range results {
		handlers[name] = f.answer(s, name, result)
	}
	return handlers
}

// run runs the bench; every fake session has ended afterwards.
func (b *bench) run() (*Report, error) {
	b.t.Helper()
	r := newRun(b.cfg)
	r.dial = b.dial(r)
	return r.whole(b.t.Context())
}

// failure is an agent's answer with a reason.
func failure(reason, text string) error { return &control.Error{Reason: reason, Text: text} }

// unreachable is what remote says of a host without sshd.
func unreachable() error {
	return &remote.Error{Reason: remote.ReasonRefused, Detail: "Connection refused"}
}

var errInterrupted = errors.New("interrupted")

// contextCancelledAt returns a context that ends when f is called.
func contextCancelledAt(t *testing.T, f *fakeAgent, call string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	f.onCall = func(name string) {
		if name == call {
			cancel(errInterrupted)
		}
	}
	return ctx, func() { cancel(nil) }
}
