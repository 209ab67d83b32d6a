package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// perSource bounds the connections of one address that have not yet proved who
// they are.
const perSource = 16

// A door takes control connections: it lets in who proves to be a receiver and
// closes the others, without ever holding more than limit of them.
type door struct {
	ln     net.Listener
	tls    *tls.Config
	secret []byte // nil where certificates are pinned
	limit  int    // connections that are not let in yet
	log    *slog.Logger
	enter  func(*conn) // takes over who was let in

	complaints complaints
	wg         sync.WaitGroup
	mu         sync.Mutex
	waiting    map[net.Conn]netip.Addr
	sources    map[netip.Addr]int
	closed     bool
}

func newDoor(ln net.Listener, cfg *tls.Config, secret []byte, expected int, log *slog.Logger, enter func(*conn)) *door {
	return &door{
		ln: ln, tls: cfg, secret: secret, limit: 2*expected + 16, log: log, enter: enter,
		waiting: make(map[net.Conn]netip.Addr), sources: make(map[netip.Addr]int),
	}
}

// run accepts until close, and returns when everyone it let wait is gone.
func (d *door) run(ctx context.Context) error {
	defer d.wg.Wait()
	for {
		raw, err := d.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // out of file descriptors, or a peer that was quicker
			d.complain(netip.Addr{}, err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		from := addressOf(raw)
		if !d.admit(raw, from) {
			raw.Close()
			d.complain(from, errors.New("transfer: too many connections that are not let in yet"))
			continue
		}
		d.wg.Go(func() { d.greet(ctx, raw, from) })
	}
}

// close ends run and the connections that are not let in.
func (d *door) close() {
	d.ln.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for c := range d.waiting {
		c.Close()
	}
}

func (d *door) greet(ctx context.Context, raw net.Conn, from netip.Addr) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	deadline := time.AfterFunc(handshakeLimit, func() { raw.Close() }) // of the HELLOs too
	defer d.leave(raw, from)
	tc := tls.Server(raw, d.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		deadline.Stop()
		raw.Close()
		d.complain(from, err)
		return
	}
	c := newConn(tc)
	err := c.greetReceiver(d.secret)
	if err == nil && !deadline.Stop() {
		err = context.DeadlineExceeded
	}
	if err != nil {
		c.close(byeGrace)
		deadline.Stop()
		d.complain(from, err)
		return
	}
	d.enter(c)
}

// admit counts a connection that waits, if there is room for it.
func (d *door) admit(c net.Conn, from netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.waiting) >= d.limit || d.sources[from] >= perSource {
		return false
	}
	d.waiting[c] = from
	d.sources[from]++
	return true
}

func (d *door) leave(c net.Conn, from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, c)
	if d.sources[from]--; d.sources[from] <= 0 {
		delete(d.sources, from)
	}
}

// complain logs why a connection was closed, once in a while for each source.
func (d *door) complain(from netip.Addr, err error) {
	if more, ok := d.complaints.allow(from, time.Now()); ok {
		d.log.Warn("connection refused", "from", from, "reason", err, "suppressed", more)
	}
}

func addressOf(c net.Conn) netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap()
}

const (
	complaintEvery   = time.Minute // for one source
	complaintSources = 64          // that are remembered, and logged, in that time
)

// complaints keeps a log readable while strangers knock (fault 53).
type complaints struct {
	mu    sync.Mutex
	since time.Time
	seen  map[netip.Addr]bool
	more  int // not logged
}

// allow reports whether one more line about from is to be logged, and how many
// were not before it.
func (c *complaints) allow(from netip.Addr, now time.Time) (suppressed int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || now.Sub(c.since) > complaintEvery {
		c.since, c.seen = now, make(map[netip.Addr]bool)
	}
	if c.seen[from] || len(c.seen) >= complaintSources {
		c.more++
		return 0, false
	}
	c.seen[from] = true
	suppressed, c.more = c.more, 0
	return suppressed, true
}
