package jasmine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A link is the client's side of the TCP connection. Owned by the goroutine of
// Receive.
type link struct {
	conn  net.Conn
	in    *bufio.Reader
	order byteOrder
}

// readGroup reads the first message.
func (l *link) readGroup(timeout time.Duration) (groupPort, byteOrder, error) {
	var b [groupInfoSize]byte
	if err := l.read(b[:], timeout); err != nil {
		return groupPort{}, nil, fmt.Errorf("waiting for the group: %w", err)
	}
	return parseGroupInfo(b[:])
}

// readInfo waits for the round after prev.
func (l *link) readInfo(timeout time.Duration, prev bufferInfo) (bufferInfo, error) {
	var b [bufferInfoSize]byte
	if err := l.read(b[:], timeout); err != nil {
		return bufferInfo{}, fmt.Errorf("waiting for buffer %d: %w", prev.ID+1, err)
	}
	return parseBufferInfo(b[:], l.order, prev)
}

// readPacket reads a packet that was asked for. The payload is in b, which has
// room for any packet.
func (l *link) readPacket(b []byte, timeout time.Duration) (seq uint32, payload []byte, err error) {
	if err := l.read(b[:headerSize], timeout); err != nil {
		return 0, nil, err
	}
	_, _, n, err := parseHeader(b, l.order)
	if err != nil {
		return 0, nil, protocolErrorf("a repair packet says it has %d bytes", l.order.Uint32(b[8:]))
	}
	if err := l.read(b[headerSize:headerSize+n], timeout); err != nil {
		return 0, nil, err
	}
	seq, payload, err = parsePacket(b[:headerSize+n], l.order)
	if err != nil {
		return 0, nil, protocolErrorf("repair packet %d has a wrong sum", seq)
	}
	return seq, payload, nil
}

// read fills b, and waits for each part of it no longer than timeout.
func (l *link) read(b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		if l.in.Buffered() == 0 {
			l.setReadDeadline(timeout)
		}
		n, err := l.in.Read(b)
		b = b[n:]
		if err != nil && len(b) > 0 {
			return lost(err, timeout)
		}
	}
	return nil
}

func (l *link) setReadDeadline(timeout time.Duration) {
	var t time.Time
	if timeout > 0 {
		t = time.Now().Add(timeout)
	}
	_ = l.conn.SetReadDeadline(t)
}

func (l *link) write(b []byte, timeout time.Duration) error {
	_ = l.conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := l.conn.Write(b); err != nil {
		return lost(err, timeout)
	}
	return nil
}

// watch waits for something from the server, which must not come before end is
// closed; it returns nil when end is closed, and why the server went before.
func (l *link) watch(end <-chan struct{}) error {
	l.setReadDeadline(0)
	early := make(chan error, 1)
	go func() {
		_, err := l.in.Peek(1)
		early <- err
	}()
	select {
	case <-end:
		_ = l.conn.SetReadDeadline(time.Unix(1, 0))
		if err := <-early; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return lost(err, 0)
		}
		return nil
	case err := <-early:
		if err == nil {
			return protocolErrorf("the server spoke out of turn")
		}
		return lost(err, 0)
	}
}

// lost says what the end of the connection means.
func lost(err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w for %v", ErrSilent, timeout)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ErrServerClosed
	}
	return fmt.Errorf("the connection to the server: %w", err)
}
