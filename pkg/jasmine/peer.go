package jasmine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// wireOrder is the byte order that our server speaks, whatever it runs on: all
// machines of a Daisy cloud are little-endian.
var wireOrder byteOrder = binary.LittleEndian

// A round is one buffer on its way to all clients.
type round struct {
	info bufferInfo
	buf  *buffer       // read only while the round lasts
	sent chan struct{} // closed by the session when the multicast is over
}

// A peerEvent is what a peer's goroutine tells the session: one for each half
// of a round, and one when it ends.
type peerEvent struct {
	peer *peer
	what peerState
	err  error // of peerGone
}

type peerState int

const (
	peerJoined peerState = iota // in the lobby, or between rounds
	peerReady                   // READY came
	peerDone                    // DONE came
	peerGone                    // its goroutine ended
)

// A peer is the server's side of one client's connection. Its goroutine (run)
// speaks the protocol with that client alone, so that a client that stalls
// blocks nobody else. The protocol is half-duplex: one goroutine is enough.
type peer struct {
	conn    net.Conn
	addr    netip.AddrPort
	timeout time.Duration

	in     *bufio.Reader    // of conn, after the lobby
	rounds chan *round      // holds one, so that the session never waits; closed by it after the last
	events chan<- peerEvent // to the session, which always listens

	bytes       int64         // confirmed; owned by run until peerGone
	resent      int64         // packets; likewise
	resentTotal *atomic.Int64 // of the session

	// Owned by the session.
	state peerState
	lag   time.Duration // how long it held up the others so far
	why   error         // set when the session drops it
}

func newPeer(conn net.Conn, timeout time.Duration, events chan<- peerEvent) *peer {
	return &peer{
		conn: conn, addr: remoteAddr(conn), timeout: timeout,
		in: bufio.NewReaderSize(conn, 512), rounds: make(chan *round, 1), events: events,
	}
}

// run is the goroutine of the peer. The last event it sends is peerGone.
func (p *peer) run(group netip.AddrPort) {
	err := p.lobby(group)
	for err == nil {
		r, ok := <-p.rounds
		if !ok {
			break
		}
		err = p.round(r)
	}
	p.conn.Close()
	p.events <- peerEvent{p, peerGone, err}
}

// lobby greets the client and watches it until the session begins (which is
// when enter makes the read time out): one that leaves frees its place.
func (p *peer) lobby(group netip.AddrPort) error {
	if err := p.write(groupInfo(wireOrder, group)); err != nil {
		return err
	}
	n, err := p.conn.Read(make([]byte, 1))
	switch {
	case n > 0:
		return protocolErrorf("it spoke before the session began")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	default:
		return gone(err)
	}
}

// enter ends the lobby.
func (p *peer) enter() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) }

// round takes the client through one round.
func (p *peer) round(r *round) error {
	if err := p.write(r.info.bytes(wireOrder)); err != nil {
		return err
	}
	op, err := p.readOp()
	if err != nil {
		return err
	}
	if op != opReady {
		return protocolErrorf("it sent %s instead of READY", opName(op))
	}
	p.events <- peerEvent{p, peerReady, nil}
	<-r.sent
	if err := p.write([]byte{opSent}); err != nil {
		return err
	}
	if err := p.repair(r); err != nil {
		return err
	}
	p.bytes += int64(r.info.Size)
	p.events <- peerEvent{p, peerDone, nil}
	return nil
}

// repair answers requests until the client is done.
func (p *peer) repair(r *round) error {
	asked := 0
	for {
		op, err := p.readOp()
		switch {
		case err != nil:
			return err
		case op == opDone:
			return nil
		case op != opReq:
			return protocolErrorf("it sent %s instead of REQ or DONE", opName(op))
		}
		offsets, err := p.readRequest(r.info, asked)
		if err != nil {
			return err
		}
		asked += len(offsets)
		if err := p.resend(r, offsets); err != nil {
			return err
		}
	}
}

// readRequest reads the rest of a REQ, all of it before the answer begins: a
// client that writes it in one go reads nothing before.
func (p *peer) readRequest(info bufferInfo, asked int) ([]uint16, error) {
	var word [4]byte
	if err := p.readFull(word[:]); err != nil {
		return nil, err
	}
	n := wireOrder.Uint32(word[:])
	if err := checkRequest(n, info, asked); err != nil {
		return nil, err
	}
	offsets := make([]uint16, 0, n)
	var chunk [512]byte
	for len(offsets) < int(n) {
		b := chunk[:min(len(chunk), 4*(int(n)-len(offsets)))]
		err := p.readFull(b)
		if err == nil {
			offsets, err = parseRequest(offsets, b, wireOrder, info)
		}
		if err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

// resend writes packets over TCP, straight from the buffer.
func (p *peer) resend(r *round, offsets []uint16) error {
	headers := make([]byte, 0, repairChunk*headerSize)
	parts := make(net.Buffers, 0, 2*repairChunk)
	for len(offsets) > 0 {
		n := min(len(offsets), repairChunk)
		headers, parts = headers[:0], parts[:0]
		for _, off := range offsets[:n] {
			payload := r.buf.payload(int(off))
			from := len(headers)
			headers = appendHeader(headers, wireOrder, r.info.Base+uint32(off), payload)
			parts = append(parts, headers[from:], payload)
		}
		p.setWriteDeadline()
		out := parts // WriteTo consumes it
		if _, err := out.WriteTo(p.conn); err != nil {
			return p.failed(err)
		}
		p.resent += int64(n)
		p.resentTotal.Add(int64(n))
		offsets = offsets[n:]
	}
	return nil
}

func (p *peer) setWriteDeadline() { _ = p.conn.SetWriteDeadline(time.Now().Add(p.timeout)) }

func (p *peer) write(b []byte) error {
	p.setWriteDeadline()
	if _, err := p.conn.Write(b); err != nil {
		return p.failed(err)
	}
	return nil
}

func (p *peer) readOp() (byte, error) {
	var op [1]byte
	err := p.readFull(op[:])
	return op[0], err
}

func (p *peer) readFull(b []byte) error {
	_ = p.conn.SetReadDeadline(time.Now().Add(p.timeout))
	if _, err := io.ReadFull(p.in, b); err != nil {
		return p.failed(err)
	}
	return nil
}

// failed makes err a reason that an operator understands.
func (p *peer) failed(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("silent for %v", p.timeout)
	}
	return gone(err)
}

// gone is the reason of a connection that ended.
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) { // it closed with bytes unread
		return errors.New("it closed the connection")
	}
	return fmt.Errorf("connection lost: %w", err)
}
