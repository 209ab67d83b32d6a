package agent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
)

// jasmineCarrier is Daisy's own protocol. Its wire has no secrets and no
// signature: what arrives is believed only because of its digest.
type jasmineCarrier struct{}

func (jasmineCarrier) listen(c message.Carrier) (*net.TCPListener, error) { return listenTCP(c) }

func (jasmineCarrier) pin() string { return "" }

func (jasmineCarrier) send(ctx context.Context, job message.Send, ln net.Listener, src source, progress func(done, total int64)) (message.SendResult, error) {
	srv, err := jasmine.NewServer(jasmine.ServerConfig{
		LocalIP:       job.Carrier.Sender.Addr(),
		Group:         job.Carrier.Group.Addr(),
		Port:          job.Carrier.Group.Port(),
		TTL:           job.Carrier.TTL,
		Clients:       len(job.Clients),
		Allow:         job.Clients,
		JoinTimeout:   job.JoinTimeout,
		OnMissing:     jasmine.OnMissingStart,
		ClientTimeout: job.SilentAfter,
		MaxRate:       job.MaxRate,
		Progress:      func(p jasmine.ServerProgress) { progress(p.Bytes, src.pack.Size()) },
	})
	if err != nil {
		return message.SendResult{}, err
	}
	in := src.pack.Reader(src.st)
	defer in.Close()
	r, err := srv.Serve(ctx, ln, in)
	res := message.SendResult{Bytes: r.Bytes, Repaired: r.Resent, Clients: make(map[string]string)}
	for _, c := range r.Clients {
		if c.State != jasmine.Done {
			res.Clients[c.Addr.Addr().String()] = c.Reason
		}
	}
	return res, err
}

func (jasmineCarrier) receive(ctx context.Context, job message.Receive, dst output, finish func() error, progress func(done int64)) (message.ReceiveResult, error) {
	c, err := jasmine.NewClient(jasmine.ClientConfig{
		LocalIP:  job.LocalIP,
		Server:   job.Carrier.Sender,
		Finish:   finish,
		Progress: func(s jasmine.Stats) { progress(s.Bytes) },
	})
	if err != nil {
		return message.ReceiveResult{}, err
	}
	s, err := c.Receive(ctx, dst)
	if s.Packets == s.Repaired && (errors.Is(err, jasmine.ErrSilent) || errors.Is(err, jasmine.ErrServerClosed)) {
		err = fmt.Errorf("%w: %w", errNoMulticast, err)
	}
	res := message.ReceiveResult{
		Bytes:      s.Bytes,
		Packets:    s.Packets,
		Lost:       s.Lost,
		Repaired:   s.Repaired,
		Overflowed: s.Overflows,
	}
	if s.Packets > 0 { // all have the same size, but for the last of a buffer
		res.RepairedBytes = int64(float64(s.Bytes) * float64(s.Repaired) / float64(s.Packets))
	}
	return res, err
}
