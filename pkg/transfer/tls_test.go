package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

var local = netip.MustParseAddr("127.0.0.1")

func identity(t testing.TB) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// lockedLog is a log that a test reads.
type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testDoor is a door that welcomes all who enter.
type testDoor struct {
	*door
	id      *Identity
	addr    netip.AddrPort
	log     *lockedLog
	entered chan *conn
}

func openDoor(t *testing.T, secret []byte, admit func(Pin) bool) *testDoor {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &testDoor{id: identity(t), log: &lockedLog{}, entered: make(chan *conn, 64)}
	d.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	enter := func(c *conn) {
		if err := c.send(testWelcome()); err != nil {
			t.Errorf("welcoming: %v", err)
		}
		d.entered <- c
	}
	d.door = newDoor(ln, senderTLS(d.id, admit), secret, 2, slog.New(slog.NewTextHandler(d.log, nil)), enter)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.run(context.Background()); err != nil {
			t.Errorf("the door: %v", err)
		}
	}()
	t.Cleanup(func() {
		d.close()
		<-ended
		close(d.entered)
		for c := range d.entered {
			c.close(0)
		}
	})
	return d
}

func testWelcome() wire.Welcome {
	return wire.Welcome{
		Version: wire.Version, Group: netip.MustParseAddrPort("239.192.77.1:18384"),
		Geometry: wire.Geometry{Payload: wire.DefaultPayload}, Mode: wire.File,
		ReportInterval: wire.MinReportInterval,
	}
}

func anyone(Pin) bool { return true }

// connect dials the door and closes what it got.
func (d *testDoor) connect(t *testing.T, id *Identity, sender Pin, secret []byte) error {
	t.Helper()
	c, _, err := dial(t.Context(), local, d.addr, receiverTLS(id, sender), secret)
	if err == nil {
		c.close(byeGrace)
	}
	return err
}

func TestPinnedReceiverEnters(t *testing.T) {
	id := identity(t)
	d := openDoor(t, nil, func(p Pin) bool { return p == id.Pin() })
	if err := d.connect(t, id, d.id.Pin(), nil); err != nil {
		t.Fatal(err)
	}
	if c := <-d.entered; c.pin != id.Pin() {
		t.Errorf("entered as %v, want %v", c.pin, id.Pin())
	} else {
		c.close(0)
	}
}

func TestFault54StrangersAreRefused(t *testing.T) {
	friend, stranger := identity(t), identity(t)
	d := openDoor(t, nil, func(p Pin) bool { return p == friend.Pin() })
	if err := d.connect(t, stranger, d.id.Pin(), nil); !errors.Is(err, errRefused) {
		t.Errorf("an unknown certificate: %v", err)
	}
	if err := d.connect(t, friend, d.id.Pin(), nil); err != nil {
		t.Errorf("the friend after it: %v", err)
	}
}

func TestFault55SenderKeyMismatch(t *testing.T) {
	d := openDoor(t, nil, anyone)
	if err := d.connect(t, identity(t), identity(t).Pin(), nil); !errors.Is(err, ErrSenderKey) {
		t.Errorf("got %v, want %v", err, ErrSenderKey)
	}
}

func TestProofOfTheSecret(t *testing.T) {
	secret := []byte("0123456789abcdef")
	d := openDoor(t, secret, anyone)
	if err := d.connect(t, identity(t), d.id.Pin(), secret); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]byte{nil, []byte("0123456789abcdeF")} {
		var bye *ByeError
		if err := d.connect(t, identity(t), d.id.Pin(), wrong); !errors.As(err, &bye) || bye.Reason != wire.Refused {
			t.Errorf("secret %q: %v", wrong, err)
		}
	}
}

// TestProofIsOfOneConnection: who sits between two connections cannot hand a
// proof on.
func TestProofIsOfOneConnection(t *testing.T) {
	secret := []byte("0123456789abcdef")
	d := openDoor(t, secret, anyone)
	id := identity(t)
	var proofs [2]wire.Proof
	for i := range proofs {
		raw, err := tls.Dial("tcp4", d.addr.String(), receiverTLS(id, d.id.Pin()))
		if err != nil {
			t.Fatal(err)
		}
		proofs[i], err = proofOf(raw.ConnectionState(), secret)
		raw.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if proofs[0] == proofs[1] {
		t.Error("two connections have one proof")
	}
}

func TestFault51VersionMismatchNamesBoth(t *testing.T) {
	d := openDoor(t, nil, anyone)
	raw, err := tls.Dial("tcp4", d.addr.String(), receiverTLS(identity(t), d.id.Pin()))
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(raw)
	defer c.close(0)
	if err := c.send(wire.Hello{Versions: []uint8{7, 9}}); err != nil {
		t.Fatal(err)
	}
	if m, err := c.receive(handshakeLimit, wire.MaxHelloFrame); err != nil || m.Type() != wire.TypeHello {
		t.Fatalf("got %v, %v; want a HELLO", m, err)
	}
	m, err := c.receive(handshakeLimit, wire.MaxFrame)
	bye, ok := m.(wire.Bye)
	if !ok || bye.Reason != wire.Incompatible || !strings.Contains(bye.Text, "[1]") || !strings.Contains(bye.Text, "[7 9]") {
		t.Errorf("got %+v, %v", m, err)
	}
}

// TestFault53Junk: what is no receiver of ours is closed, logged once a source,
// and the door stays open.
func TestFault53Junk(t *testing.T) {
	d := openDoor(t, nil, anyone)
	junk := []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		strings.Repeat("\x00", 1000),
		"\x16\x03\x01\x02\x00garbage that begins like TLS",
		"",
	}
	for _, text := range junk {
		raw, err := net.Dial("tcp4", d.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(raw, text); err != nil {
			t.Fatal(err)
		}
		_ = raw.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, raw); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("%.10q: %v", text, err) // a reset is an end too
		}
		raw.Close()
	}
	if err := d.connect(t, identity(t), d.id.Pin(), nil); err != nil {
		t.Errorf("a receiver after the junk: %v", err)
	}
	if n := strings.Count(d.log.String(), "connection refused"); n != 1 {
		t.Errorf("%d lines about one source, want 1:\n%s", n, d.log)
	}
}

func TestOtherALPNIsRefused(t *testing.T) {
	d := openDoor(t, nil, anyone)
	for _, protos := range [][]string{nil, {"h2", "http/1.1"}} {
		cfg := receiverTLS(identity(t), d.id.Pin())
		cfg.NextProtos = protos
		cfg.VerifyConnection = nil
		raw, err := tls.Dial("tcp4", d.addr.String(), cfg)
		if err != nil {
			continue
		}
		if _, err := raw.Read(make([]byte, 1)); err == nil {
			t.Errorf("ALPN %q was let in", protos)
		}
		raw.Close()
	}
}

// TestFault40SilentConnections: those that say nothing take no room from others.
func TestFault40SilentConnections(t *testing.T) {
	d := openDoor(t, nil, anyone)
	for range 200 {
		raw, err := net.Dial("tcp4", d.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
	}
	c, _, err := dial(t.Context(), netip.MustParseAddr("127.0.0.2"), d.addr, receiverTLS(identity(t), d.id.Pin()), nil)
	if err != nil {
		t.Fatalf("a receiver beside 200 silent connections: %v", err)
	}
	c.close(0)
	d.mu.Lock()
	waiting := len(d.waiting)
	d.mu.Unlock()
	if waiting > perSource {
		t.Errorf("%d connections wait, the bound is %d", waiting, perSource)
	}
}

func TestFault41PeerThatDoesNotReadIsDropped(t *testing.T) {
	d := openDoor(t, nil, anyone)
	c, _, err := dial(t.Context(), local, d.addr, receiverTLS(identity(t), d.id.Pin()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close(0)
	server := <-d.entered
	defer server.close(0)
	payload := make([]byte, wire.DefaultPayload)
	begun := time.Now()
	for range 4 * queueLimit / len(payload) {
		if err = server.send(wire.Repair{Payload: payload}); err != nil {
			break
		}
	}
	if !errors.Is(err, errQueueFull) {
		t.Errorf("got %v, want %v", err, errQueueFull)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("sending to it took %v", took)
	}
}
