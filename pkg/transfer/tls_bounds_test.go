package transfer

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// wantClosed waits until the door has closed a connection, whatever it says before.
func wantClosed(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(handshakeLimit + 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // as net returns it
		t.Errorf("%s: it is still open", what)
	}
}

// wantLogged waits until the door has logged a text, which it does after the end of a
// connection.
func wantLogged(t *testing.T, d *testDoor, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(d.log.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("no %q was logged:\n%s", text, d.log)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestFault40ClosedInTime: who does not come as far as a HELLO in handshakeLimit is
// closed, wherever it stopped.
func TestFault40ClosedInTime(t *testing.T) {
	t.Parallel()
	d := openDoor(t, nil, anyone)
	hello := wire.Append(nil, ourHello(wire.Proof{}))
	for name, begin := range map[string]func(raw net.Conn) error{
		"nothing":         func(net.Conn) error { return nil },
		"a TLS handshake": func(raw net.Conn) error { return tls.Client(raw, receiverTLS(identity(t), d.id.Pin())).Handshake() },
		"a HELLO, byte by byte": func(raw net.Conn) error {
			c := tls.Client(raw, receiverTLS(identity(t), d.id.Pin()))
			for _, b := range hello {
				if _, err := c.Write([]byte{b}); err != nil {
					return nil //nolint:nilerr // it was closed
				}
				time.Sleep(handshakeLimit / 8)
			}
			return fmt.Errorf("all of it was read")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := net.Dial("tcp4", d.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if err := begin(raw); err != nil {
				t.Fatal(err)
			}
			wantClosed(t, name, raw)
		})
	}
}

// TestFault40ManySources: silent connections are bounded in all, not only for one source.
func TestFault40ManySources(t *testing.T) {
	d := openDoor(t, nil, anyone)
	var last net.Conn
	for i := range 3 * d.limit {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}}
		raw, err := from.DialContext(t.Context(), "tcp4", d.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		last = raw
	}
	wantClosed(t, "one too many", last)
	wantLogged(t, d, "too many connections that are not let in yet")
}

// TestFault52FirstFrameIsShort: who has proved nothing has no room made for a frame.
func TestFault52FirstFrameIsShort(t *testing.T) {
	d := openDoor(t, nil, anyone)
	c, err := tls.Dial("tcp4", d.addr.String(), receiverTLS(identity(t), d.id.Pin()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(binary.BigEndian.AppendUint32(nil, wire.MaxHelloFrame+1)); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "a long first frame", c)
	wantLogged(t, d, fmt.Sprintf("a frame of %d bytes, not 1 to %d", wire.MaxHelloFrame+1, wire.MaxHelloFrame))
}

// TestOlderTLSIsRefused: nothing under TLS 1.3 is spoken, and no session is resumed.
func TestOlderTLSIsRefused(t *testing.T) {
	d := openDoor(t, nil, anyone)
	cfg := receiverTLS(identity(t), d.id.Pin())
	cfg.MinVersion, cfg.MaxVersion, cfg.VerifyConnection = tls.VersionTLS12, tls.VersionTLS12, nil
	if c, err := tls.Dial("tcp4", d.addr.String(), cfg); err == nil {
		c.Close()
		t.Error("TLS 1.2 was let in")
	}
	var tickets ticketCache
	cfg = receiverTLS(identity(t), d.id.Pin())
	cfg.SessionTicketsDisabled, cfg.ClientSessionCache = false, &tickets
	c, _, err := dial(t.Context(), local, d.addr, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.close(byeGrace)
	if tickets > 0 {
		t.Errorf("%d tickets were given out", tickets)
	}
}

// A ticketCache counts the tickets of a connection.
type ticketCache int

func (*ticketCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (n *ticketCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		*n++
	}
}
