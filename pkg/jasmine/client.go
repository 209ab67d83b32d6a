package jasmine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// A Client receives one stream. Stats may be called from any goroutine, at any
// time; Receive once.
type Client struct {
	cfg      ClientConfig
	count    counters
	listener atomic.Pointer[listener]
}

// NewClient returns a Client, or what is wrong with cfg.
func NewClient(cfg ClientConfig) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg}, nil
}

// Stats returns the counts so far.
func (c *Client) Stats() Stats {
	s := Stats{
		Bytes: c.count.bytes.Load(), Packets: c.count.packets.Load(),
		Lost: c.count.lost.Load(), Repaired: c.count.repaired.Load(),
		Duplicates: c.count.duplicates.Load(), Misfits: c.count.misfits.Load(),
	}
	if l := c.listener.Load(); l != nil {
		s.Foreign = int64(l.rx.Foreign())
		s.Overflows = int64(l.rx.Drops())
		s.Misfits += int64(l.rx.Oversize())
		s.ReceiveBuffer = l.rx.BufferBytes()
	}
	return s
}

// Receive connects to the server and writes the stream to dst. It returns nil
// only after the whole stream was written, Finish succeeded and the server was
// told so. It does not wait for a Write of dst that hangs when ctx ends.
func (c *Client) Receive(ctx context.Context, dst io.Writer) (Stats, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, err := c.dial(ctx)
	if err != nil {
		return c.Stats(), err
	}
	defer conn.Close()
	var wg sync.WaitGroup
	wg.Go(func() { reportProgress(ctx, c.cfg.Progress, c.Stats) })
	stop := context.AfterFunc(ctx, func() { conn.Close() })

	err = c.receive(ctx, cancel, conn, dst)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // which closed the connection
	}
	stop()
	cancel(nil)
	wg.Wait()
	stats := c.Stats()
	if l := c.listener.Load(); l != nil {
		l.close()
	}
	if c.cfg.Progress != nil {
		c.cfg.Progress(stats)
	}
	return stats, err
}

// dial connects from LocalIP. A server that is not there yet, as one that is
// started last, is tried again until the timeout.
func (c *Client) dial(ctx context.Context) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.cfg.LocalIP.AsSlice()}}
	var refused error
	for pause := dialPause; ; pause = min(2*pause, dialPauseMax) {
		conn, err := d.DialContext(ctx, "tcp4", c.cfg.Server.String())
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if refused != nil && ctx.Err() != nil {
			err = refused // that the last attempt was cut short tells nothing
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("connecting to the server: %w", err)
		}
		refused = err
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("connecting to the server: %w", err)
		}
	}
}

// receive speaks the protocol on conn.
func (c *Client) receive(ctx context.Context, fail context.CancelCauseFunc, conn net.Conn, dst io.Writer) error {
	link := &link{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}
	group, order, err := link.readGroup(c.cfg.RoundTimeout)
	if err != nil {
		return err
	}
	link.order = order
	l, err := c.listen(group, order, fail)
	if err != nil {
		return err
	}
	c.listener.Store(l)

	memory := newArena()
	out := newOutput(dst, memory, &c.count, fail)
	r := &reception{cfg: c.cfg, count: &c.count, link: link, listener: l, arena: memory, out: out}
	go l.run()
	go out.run()
	var renewal sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	renewal.Go(func() {
		l.renew(ctx, multicast.ReportEvery, func(err error) {
			c.cfg.Log.Warn("a switch without an IGMP querier may cut off a session of over 4 minutes", "reason", err)
		})
	})
	err = r.run(ctx)
	cancel()
	renewal.Wait()
	l.close()
	<-l.done
	if out.stop(outputGrace) {
		memory.close()
	}
	return err
}

// listen joins the group that the server announced.
func (c *Client) listen(group groupPort, order byteOrder, fail func(error)) (*listener, error) {
	open := c.cfg.testOnlyListen
	if open == nil {
		open = c.openReceiver
	}
	rx, err := open(group)
	if err != nil {
		return nil, err
	}
	c.cfg.Log.Info("joined the group", "group", group, "receive buffer", rx.BufferBytes())
	return newListener(rx, order, &c.count, fail), nil
}

func (c *Client) openReceiver(group groupPort) (packetReceiver, error) {
	ifi, err := multicast.InterfaceOf(c.cfg.LocalIP)
	if err != nil {
		return nil, err
	}
	return multicast.Listen(multicast.ReceiverConfig{
		Group: group, Interface: ifi, Source: c.cfg.Server.Addr(), MaxDatagram: maxPacket,
	})
}
