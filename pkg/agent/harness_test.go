package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/control"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// TestMain makes this test binary the program whose registry agents run.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "registry" && os.Args[2] == "serve" {
		syscall.Exit(serveRegistry(os.Args[3:])) // os.Exit waits a second under -race
	}
	os.Exit(m.Run())
}

// serveRegistry is `daisy-mcast registry serve`, as far as agents use it: with an
// argument that it does not know it ends, for what is left out here is missed only where
// processes are slow. A successor that did not wait for its predecessor's address was.
func serveRegistry(args []string) int {
	var cfg registry.ServeConfig
	add := func(list *[]string) func(string) error {
		return func(value string) error {
			*list = append(*list, value)
			return nil
		}
	}
	f := flag.NewFlagSet("registry serve", flag.ExitOnError)
	f.StringVar(&cfg.Store, "store", "", "")
	f.StringVar(&cfg.Identity, "identity", "", "")
	f.Func("listen", "", add(&cfg.Listen))
	f.Func("tls-listen", "", add(&cfg.TLSListen))
	f.StringVar(&cfg.CertFile, "cert", "", "")
	f.StringVar(&cfg.KeyFile, "key", "", "")
	f.DurationVar(&cfg.Wait, "wait", 0, "")
	f.Int("log-limit", 0, "")
	_ = f.Parse(args)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := registry.Serve(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A node is an agent in this process, called over a control connection in
// memory. Its registry, when it has one, is a process of its own.
type node struct {
	t      *testing.T
	client *control.Client
	setup  message.Setup
	agent  *agent // its fields are the agent's, but for testEngineSocket before a call

	in    *io.PipeWriter
	ended chan error // has Run's result
	once  sync.Once

	mu    sync.Mutex
	notes []string
	opens chan struct{} // has a value for each EventOpen
}

// newNode starts an agent that works on dir and calls setup.
func newNode(t *testing.T, dir, address string) *node {
	t.Helper()
	m := startAgent(t)
	m.setup = message.Setup{
		BaseDir: dir, Name: launch.DefaultName, Mode: string(launch.Process),
		Listen: netip.AddrPortFrom(netip.MustParseAddr(address), port.Free(t)),
	}
	m.must(message.CallSetup, m.setup, nil)
	t.Cleanup(func() {
		m.end()
		spec := launch.Spec{BaseDir: dir, Mode: launch.Process}
		if err := launch.Stop(context.Background(), spec, true); err != nil {
			t.Errorf("stopping a registry: %v", err)
		}
	})
	return m
}

// startAgent starts an agent that was told nothing yet.
func startAgent(t *testing.T) *node {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	m := &node{t: t, in: inW, ended: make(chan error, 1), opens: make(chan struct{}, 1), agent: newAgent(slog.New(slog.DiscardHandler))}
	go func() {
		err := m.agent.run(context.Background(), inR, outW)
		outW.Close()
		m.ended <- err
	}()
	m.client = control.NewClient(outR, inW, m.onEvent)
	t.Cleanup(m.end)
	return m
}

func (m *node) onEvent(name string, body json.RawMessage) {
	switch name {
	case message.EventOpen:
		m.opens <- struct{}{}
	case message.EventNote:
		m.mu.Lock()
		m.notes = append(m.notes, string(body))
		m.mu.Unlock()
	}
}

// end ends the session in order, once.
func (m *node) end() {
	m.once.Do(func() {
		m.in.Close()
		if err := <-m.ended; err != nil {
			m.t.Errorf("the agent's end: %v", err)
		}
	})
}

func (m *node) call(method string, req, res any) error {
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	return m.client.Call(ctx, method, req, res)
}

func (m *node) must(method string, req, res any) {
	m.t.Helper()
	if err := m.call(method, req, res); err != nil {
		m.t.Fatalf("%s: %v", method, err)
	}
}

// refuses wants the call to fail with the reason and a text that has the word.
func (m *node) refuses(method string, req any, reason, word string) {
	m.t.Helper()
	err := m.call(method, req, nil)
	var answered *control.Error
	if !errors.As(err, &answered) || answered.Reason != reason || !strings.Contains(answered.Text, word) {
		m.t.Errorf("%s: got %v (%+v), want reason %q and %q", method, err, answered, reason, word)
	}
}

func (m *node) storeDir() string { return filepath.Join(m.setup.BaseDir, "store") }

// store opens the machine's store beside the agent.
func (m *node) store() *store.Store {
	m.t.Helper()
	st, err := store.Open(m.storeDir())
	if err != nil {
		m.t.Fatal(err)
	}
	return st
}

// runs reports whether the machine's registry runs.
func (m *node) runs() bool {
	m.t.Helper()
	status, err := launch.Check(m.t.Context(), launch.Spec{BaseDir: m.setup.BaseDir, Mode: launch.Process})
	if err != nil {
		m.t.Fatal(err)
	}
	return status.Running
}

// writeBundle makes a bundle and returns its path.
func writeBundle(t *testing.T, o sample.Options) string {
	t.Helper()
	if o.Architecture == "" {
		o.Architecture = runtime.GOARCH
	}
	var b bytes.Buffer
	if err := sample.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kolla-image.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// imported has m import a bundle and returns its set.
func (m *node) imported(path string) *store.Set {
	m.t.Helper()
	var res message.ImportResult
	m.must(message.CallImport, message.Import{Path: path}, &res)
	return res.Set
}

// list gives the set to m and returns what it lacks.
func (m *node) list(set *store.Set, up registry.Upstream) []int {
	m.t.Helper()
	var have message.Have
	m.must(message.CallList, message.List{Set: set, Upstream: up}, &have)
	return have.Missing.List()
}

const senderAddress = "127.0.0.1"

// A fleet is a sender, and hosts on loopback addresses of their own.
type fleet struct {
	sender   *node
	hosts    []*node
	carrier  message.Carrier
	set      *store.Set
	upstream registry.Upstream
	central  netip.AddrPort // where upstream is
}

// newFleet has the sender import a bundle and serve it over TLS.
func newFleet(t *testing.T, hosts int) *fleet {
	t.Helper()
	shared := port.Free(t)
	f := &fleet{sender: newNode(t, t.TempDir(), senderAddress), carrier: message.Carrier{
		Protocol: "jasmine", TTL: 1,
		Sender: netip.AddrPortFrom(netip.MustParseAddr(senderAddress), shared),
		Group:  netip.AddrPortFrom(jasmine.DefaultGroup(), shared),
	}}
	f.set = f.sender.imported(writeBundle(t, sample.Options{LayerSize: 32 << 10}))
	f.central = netip.AddrPortFrom(f.carrier.Sender.Addr(), port.Free(t))
	f.sender.must(message.CallCentral, message.Central{SetID: f.set.ID, Listen: f.central}, &f.upstream)
	for i := range hosts {
		f.hosts = append(f.hosts, newNode(t, t.TempDir(), hostAddress(i).String()))
	}
	return f
}

func hostAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)}) }

// pack is all of the set.
func (f *fleet) pack() (all message.Indexes) {
	for i := range f.set.Blobs {
		all.Add(i)
	}
	return all
}

// transfer sends the pack to all hosts that were given the list.
func (f *fleet) transfer(pack message.Indexes) (message.SendResult, []message.ReceiveResult, error) {
	f.sender.must(message.CallListen, message.Listen{Carrier: f.carrier}, nil)
	req := message.Send{
		Carrier: f.carrier, SetID: f.set.ID, Pack: pack,
		JoinTimeout: 10 * time.Second, SilentAfter: 5 * time.Second,
	}
	for i := range f.hosts {
		req.Clients = append(req.Clients, hostAddress(i))
	}
	var sent message.SendResult
	ended := make(chan error, 1)
	go func() { ended <- f.sender.call(message.CallSend, req, &sent) }()
	<-f.sender.opens
	got := make([]message.ReceiveResult, len(f.hosts))
	var wg sync.WaitGroup
	for i, h := range f.hosts {
		wg.Go(func() {
			req := message.Receive{Carrier: f.carrier, LocalIP: hostAddress(i), SetID: f.set.ID, Pack: pack}
			if err := h.call(message.CallReceive, req, &got[i]); err != nil {
				h.t.Errorf("host %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return sent, got, <-ended
}
