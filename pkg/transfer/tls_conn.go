package transfer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

const (
	// writeLimit is how long a peer may read nothing of what is written to it
	// (fault 41).
	writeLimit = wire.SilenceLimit
	// queueLimit bounds what waits for one peer, in bytes. What can wait - the
	// repairs - is not queued beyond repairQueue: the rest is for messages that
	// cannot.
	queueLimit  = 4 << 20
	repairQueue = 256 << 10
	// drainLimit and drainBytes bound what is done for a peer that we left.
	drainLimit = 250 * time.Millisecond
	drainBytes = 1 << 20
)

var errQueueFull = errors.New("transfer: the peer does not read")

// A conn is a control connection. Its messages are read by one goroutine, whoever
// calls receive; send never blocks and may be called from any.
type conn struct {
	tls   *tls.Conn
	pin   Pin // the peer's
	frame []byte

	mu     sync.Mutex
	wake   sync.Cond // of the writer: more to write, or closing
	queue  []byte
	busy   int // bytes that the writer is writing
	ending bool
	err    error         // why nothing more is written
	ended  chan struct{} // closed when the writer has ended
}

// newConn takes over a connection whose handshake is done.
func newConn(c *tls.Conn) *conn {
	n := &conn{tls: c, pin: pinOf(c.ConnectionState().PeerCertificates[0]), ended: make(chan struct{})}
	n.wake.L = &n.mu
	setUserTimeout(c.NetConn())
	go n.write()
	return n
}

// setUserTimeout has the kernel give up a peer that acknowledges nothing, such as
// one that lost its power (fault 12).
func setUserTimeout(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	_ = t.SetNoDelay(true)
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeLimit.Milliseconds()))
	})
}

// receive returns the next message; a REPAIR's payload is valid until the next
// call. Silence for limit is an error.
func (c *conn) receive(limit time.Duration, frameLimit int) (wire.Message, error) {
	if err := c.tls.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	frame, err := wire.ReadFrame(c.tls, c.frame, frameLimit)
	if err != nil {
		return nil, err
	}
	c.frame = frame
	return wire.Parse(frame)
}

// send queues a message. After an error the connection is of no more use.
func (c *conn) send(m wire.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.ending {
		c.err = net.ErrClosed
	}
	if c.err == nil && len(c.queue) > queueLimit {
		c.err = errQueueFull
	}
	if c.err != nil {
		return c.err
	}
	c.queue = wire.Append(c.queue, m)
	c.wake.Signal()
	return nil
}

// hasRoom reports whether a message that can wait should be queued now.
func (c *conn) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)+c.busy < repairQueue
}

// write writes what is queued, until close or an error.
func (c *conn) write() {
	defer close(c.ended)
	var batch []byte
	for {
		c.mu.Lock()
		c.busy = 0
		for len(c.queue) == 0 && !c.ending && c.err == nil {
			c.wake.Wait()
		}
		if c.err != nil || len(c.queue) == 0 {
			c.mu.Unlock()
			return
		}
		batch, c.queue = c.queue, batch[:0]
		c.busy = len(batch)
		c.mu.Unlock()
		if err := c.writeAll(batch); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *conn) writeAll(b []byte) error {
	if err := c.tls.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err := c.tls.Write(b)
	return err
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = fmt.Errorf("writing to %v: %w", c.tls.RemoteAddr(), err)
	}
	c.mu.Unlock()
	c.tls.NetConn().Close()
}

// close writes what is queued, for at most grace, and ends the connection.
func (c *conn) close(grace time.Duration) {
	c.mu.Lock()
	c.ending = true
	c.wake.Signal()
	c.mu.Unlock()
	timer := time.AfterFunc(grace, func() { c.tls.NetConn().Close() })
	<-c.ended
	timer.Stop()
	c.drain()
	c.tls.NetConn().Close()
}

// drain ends our side and reads until the peer ends its own: to close with unread
// data would be a reset, which can take our last message from it.
func (c *conn) drain() {
	_ = c.tls.CloseWrite()
	raw, ok := c.tls.NetConn().(*net.TCPConn)
	if !ok || raw.CloseWrite() != nil || raw.SetReadDeadline(time.Now().Add(drainLimit)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, raw, drainBytes)
}
