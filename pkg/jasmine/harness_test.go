package jasmine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

func mustServer(t testing.TB, cfg ServerConfig) *Server {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClient(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func listenTCP(t testing.TB, local netip.Addr) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", netip.AddrPortFrom(local, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func accept(t testing.TB, ln net.Listener) net.Conn {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return limited(t, conn)
}

func dialTCP(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return limited(t, conn)
}

// limited makes a test that hangs fail.
func limited(t testing.TB, conn net.Conn) net.Conn {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

func dialMulticast(t testing.TB, group netip.AddrPort, local netip.Addr) *multicast.Sender {
	t.Helper()
	lo, err := multicast.InterfaceOf(local)
	if err != nil {
		t.Fatal(err)
	}
	s, err := multicast.Dial(multicast.SenderConfig{Group: group, Interface: lo, Local: local})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A faultyReceiver does to each packet what a bad network does: it gives on
// none, one or several in its place.
type faultyReceiver struct {
	packetReceiver
	fault func(multicast.Packet) []multicast.Packet
}

// faulty makes receivers with a fault, for testOnlyListen.
func faulty(local netip.Addr, fault func(multicast.Packet) []multicast.Packet) func(netip.AddrPort) (packetReceiver, error) {
	return func(group netip.AddrPort) (packetReceiver, error) {
		lo, err := multicast.InterfaceOf(local)
		if err != nil {
			return nil, err
		}
		rx, err := multicast.Listen(multicast.ReceiverConfig{
			Group: group, Interface: lo, Source: local, MaxDatagram: maxPacket, Batch: 16,
		})
		if err != nil {
			return nil, err
		}
		return &faultyReceiver{rx, fault}, nil
	}
}

func (f *faultyReceiver) Read() ([]multicast.Packet, error) {
	packets, err := f.packetReceiver.Read()
	return f.spoil(packets), err
}

func (f *faultyReceiver) TryRead() ([]multicast.Packet, bool, error) {
	packets, more, err := f.packetReceiver.TryRead()
	return f.spoil(packets), more, err
}

func (f *faultyReceiver) spoil(packets []multicast.Packet) (out []multicast.Packet) {
	for _, p := range packets {
		out = append(out, f.fault(p)...)
	}
	return out
}

// The faults. Each receiver needs its own.

func noFault(p multicast.Packet) []multicast.Packet { return []multicast.Packet{p} }

func lose(seed uint64, percent int) func(multicast.Packet) []multicast.Packet {
	rng := rand.New(rand.NewPCG(seed, 0))
	return func(p multicast.Packet) []multicast.Packet {
		if rng.IntN(100) < percent {
			return nil
		}
		return []multicast.Packet{p}
	}
}

// loseBursts loses n packets of each 5n.
func loseBursts(n int) func(multicast.Packet) []multicast.Packet {
	i := 0
	return func(p multicast.Packet) []multicast.Packet {
		if i++; i/n%5 == 2 {
			return nil
		}
		return []multicast.Packet{p}
	}
}

func duplicateSome(seed uint64, percent int) func(multicast.Packet) []multicast.Packet {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(p multicast.Packet) []multicast.Packet {
		if rng.IntN(100) < percent {
			return []multicast.Packet{p, p}
		}
		return []multicast.Packet{p}
	}
}

// reorder keeps packets back and lets them follow 30 others.
func reorder(seed uint64, percent int) func(multicast.Packet) []multicast.Packet {
	rng := rand.New(rand.NewPCG(seed, 2))
	var held []multicast.Packet
	since := 0
	return func(p multicast.Packet) []multicast.Packet {
		if rng.IntN(100) < percent {
			held = append(held, multicast.Packet{Data: slices.Clone(p.Data), From: p.From})
			return nil
		}
		out := []multicast.Packet{p}
		if since++; since%30 == 0 {
			out, held = append(out, held...), nil
		}
		return out
	}
}

// corrupt changes a byte of the payload, so that the sum is wrong.
func corrupt(seed uint64, percent int) func(multicast.Packet) []multicast.Packet {
	rng := rand.New(rand.NewPCG(seed, 3))
	return func(p multicast.Packet) []multicast.Packet {
		if rng.IntN(100) < percent {
			p.Data[rng.IntN(len(p.Data))] ^= 0x40
		}
		return []multicast.Packet{p}
	}
}

// A lab is one server and clients on loopback.
type lab struct {
	t      *testing.T
	local  netip.Addr
	ln     net.Listener
	config ServerConfig
	cancel context.CancelFunc
	served chan served
}

type served struct {
	result Result
	err    error
}

// received is what became of one client.
type received struct {
	bytes []byte
	stats Stats
	err   error
}

// newLab prepares a server at 127.0.0.1 for n clients on a group port of its own.
func newLab(t *testing.T, n int) *lab {
	t.Helper()
	local := netip.MustParseAddr("127.0.0.1")
	return &lab{
		t: t, local: local, ln: listenTCP(t, local), served: make(chan served, 1),
		config: ServerConfig{
			LocalIP: local, Clients: n, Port: port.Free(t),
			JoinTimeout: 10 * time.Second, testOnlyBufferPackets: 64,
		},
	}
}

// serve starts the server.
func (l *lab) serve(src io.Reader) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	l.cancel = cancel
	server := mustServer(l.t, l.config)
	go func() {
		r, err := server.Serve(ctx, l.ln, src)
		l.served <- served{r, err}
	}()
	l.t.Cleanup(cancel)
}

// end waits for the server.
func (l *lab) end() (Result, error) {
	l.t.Helper()
	select {
	case s := <-l.served:
		return s.result, s.err
	case <-time.After(30 * time.Second):
		l.t.Fatal("the server does not end")
		return Result{}, nil
	}
}

func (l *lab) clientConfig() ClientConfig {
	return ClientConfig{LocalIP: l.local, Server: addrPort(l.ln.Addr()), SilenceTimeout: 5 * time.Second}
}

// client starts a client that keeps what it receives.
func (l *lab) client(change func(*ClientConfig)) <-chan received {
	l.t.Helper()
	var out bytes.Buffer
	return l.clientTo(&out, func() []byte { return out.Bytes() }, change)
}

func (l *lab) clientTo(dst io.Writer, content func() []byte, change func(*ClientConfig)) <-chan received {
	l.t.Helper()
	cfg := l.clientConfig()
	if change != nil {
		change(&cfg)
	}
	client := mustClient(l.t, cfg)
	done := make(chan received, 1)
	go func() {
		stats, err := client.Receive(l.t.Context(), dst)
		done <- received{content(), stats, err}
	}()
	return done
}

// logged returns a channel that gets a token when the server logs message.
func (l *lab) logged(message string) <-chan struct{} {
	c := make(chan struct{}, 10)
	l.config.Log = slog.New(logHook{slog.DiscardHandler, message, c})
	return c
}

type logHook struct {
	slog.Handler
	message string
	seen    chan<- struct{}
}

func (logHook) Enabled(context.Context, slog.Level) bool { return true }

func (h logHook) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.seen <- struct{}{}
	}
	return nil
}

// raw connects a client that the test plays by hand, past the group info.
func (l *lab) raw() net.Conn {
	l.t.Helper()
	conn := dialTCP(l.t, l.ln.Addr())
	l.read(conn, groupInfoSize)
	return conn
}

// read reads n bytes or fails the test.
func (l *lab) read(conn net.Conn, n int) []byte {
	l.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(conn, b); err != nil {
		l.t.Fatalf("reading %d bytes from the server: %v", n, err)
	}
	return b
}

// wantClosed fails the test unless the server closes conn.
func (l *lab) wantClosed(conn net.Conn) {
	l.t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		l.t.Error("the server did not close the connection")
	}
}

// wantStream fails the test unless the client has all of want.
func (l *lab) wantStream(name string, got received, want []byte) {
	l.t.Helper()
	if got.err != nil {
		l.t.Errorf("%s: %v", name, got.err)
	}
	if !bytes.Equal(got.bytes, want) {
		l.t.Errorf("%s: wrote %d bytes that are not the %d sent", name, len(got.bytes), len(want))
	}
}

// wantStates fails the test unless the server counts so many of each.
func (l *lab) wantStates(r Result, done, dropped, refused int) {
	l.t.Helper()
	if r.Done() != done || r.Dropped() != dropped || r.Refused() != refused {
		l.t.Errorf("%d done, %d dropped, %d refused, want %d, %d, %d: %+v",
			r.Done(), r.Dropped(), r.Refused(), done, dropped, refused, r.Clients)
	}
}

// noise returns n bytes that repeat nowhere.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}
