package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

const (
	// handshakeLimit bounds TLS and the HELLOs together (FAULTS T7).
	handshakeLimit = 5 * time.Second
	// byeGrace is how long a last message may take.
	byeGrace = time.Second
)

// A ByeError is the reason that the other side gave for ending the connection.
type ByeError struct {
	Reason wire.Reason
	Text   string
}

func (e *ByeError) Error() string {
	if e.Text == "" {
		return e.Reason.String()
	}
	return fmt.Sprintf("%v: %s", e.Reason, e.Text)
}

// errRefused is an end of the connection before any message: how TLS 1.3 lets a
// client know that its certificate was refused, which is after its handshake.
var errRefused = errors.New("transfer: the sender closed the connection: it does not know us, or has as many as it expects")

func ourHello(p wire.Proof) wire.Hello {
	return wire.Hello{Versions: []uint8{wire.Version}, Proof: p}
}

// patience is how long the first attempt to connect may take; each further one may take
// twice as long. The kernel sends a connection's first packet again after a second: where
// one in a hundred is lost, some of 48 hosts had all the others wait for that at every
// third start.
const patience = 200 * time.Millisecond

// reach calls connect until it comes to something in time.
func reach(ctx context.Context, connect func(context.Context) (net.Conn, error)) (net.Conn, error) {
	for limit := patience; ; limit *= 2 {
		attempt, cancel := context.WithTimeout(ctx, limit)
		c, err := connect(attempt)
		cancel()
		var late net.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &late) || !late.Timeout() {
			return c, err
		}
	}
}

// dial connects to a sender and returns when it took us into its session.
func dial(ctx context.Context, local netip.Addr, sender netip.AddrPort, cfg *tls.Config, secret []byte) (*conn, wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}}
	raw, err := reach(ctx, func(ctx context.Context) (net.Conn, error) {
		return d.DialContext(ctx, "tcp4", sender.String())
	})
	if err != nil {
		return nil, wire.Welcome{}, fmt.Errorf("reaching the sender: %w", err)
	}
	tc := tls.Client(raw, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, wire.Welcome{}, fmt.Errorf("greeting the sender at %v: %w", sender, err)
	}
	c := newConn(tc)
	w, err := c.greetSender(secret)
	if err != nil {
		c.close(byeGrace)
		return nil, wire.Welcome{}, err
	}
	return c, w, nil
}

// greetSender exchanges HELLOs and takes the WELCOME.
func (c *conn) greetSender(secret []byte) (wire.Welcome, error) {
	proof, err := proofOf(c.tls.ConnectionState(), secret)
	if err != nil {
		return wire.Welcome{}, err
	}
	if err := c.send(ourHello(proof)); err != nil {
		return wire.Welcome{}, err
	}
	m, err := c.receive(handshakeLimit, wire.MaxHelloFrame)
	if err != nil {
		return wire.Welcome{}, notWelcome(err)
	}
	hello, ok := m.(wire.Hello)
	if !ok {
		return wire.Welcome{}, unexpected(m)
	}
	if _, err := wire.Negotiate(hello); err != nil {
		_ = c.send(wire.Bye{Reason: wire.Incompatible, Text: err.Error()})
		return wire.Welcome{}, err
	}
	m, err = c.receive(handshakeLimit, wire.MaxFrame)
	if err != nil {
		if errors.Is(err, wire.ErrFormat) {
			_ = c.send(wire.Bye{Reason: wire.Misbehaved, Text: err.Error()})
		}
		return wire.Welcome{}, notWelcome(err)
	}
	w, ok := m.(wire.Welcome)
	if !ok {
		return wire.Welcome{}, unexpected(m)
	}
	return w, nil
}

// notWelcome says why nothing came in which the sender takes us in.
func notWelcome(err error) error {
	if errors.Is(err, wire.ErrFormat) {
		return fmt.Errorf("the sender's greeting: %w", err)
	}
	return fmt.Errorf("%w (%w)", errRefused, err)
}

// greetReceiver exchanges HELLOs with whoever connected. It is in the session
// when the caller has sent it a WELCOME.
func (c *conn) greetReceiver(secret []byte) error {
	if err := c.send(ourHello(wire.Proof{})); err != nil {
		return err
	}
	m, err := c.receive(handshakeLimit, wire.MaxHelloFrame)
	if err != nil {
		return err
	}
	hello, ok := m.(wire.Hello)
	if !ok {
		return unexpected(m)
	}
	if _, err := wire.Negotiate(hello); err != nil {
		_ = c.send(wire.Bye{Reason: wire.Incompatible, Text: err.Error()})
		return err
	}
	want, err := proofOf(c.tls.ConnectionState(), secret)
	if err != nil {
		return err
	}
	if !want.Equal(hello.Proof) {
		_ = c.send(wire.Bye{Reason: wire.Refused, Text: "the token is of another sending"})
		return errors.New("transfer: no proof of the token's secret")
	}
	return nil
}

// unexpected makes an error of a message that is not in its place.
func unexpected(m wire.Message) error {
	if b, ok := m.(wire.Bye); ok {
		return &ByeError{b.Reason, b.Text}
	}
	return fmt.Errorf("%w: %v out of turn", wire.ErrFormat, m.Type())
}
