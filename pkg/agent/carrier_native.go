package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// nativeCarrier is our own protocol. Both ends know each other by the keys that
// they made for this session and that the deploy server handed on.
type nativeCarrier struct {
	id  *transfer.Identity
	log *slog.Logger
}

func (nativeCarrier) listen(c message.Carrier) (*net.TCPListener, error) { return listenTCP(c) }

func (n nativeCarrier) pin() string { return n.id.Pin().String() }

func (n nativeCarrier) send(ctx context.Context, job message.Send, ln net.Listener, src source, progress func(done, total int64)) (message.SendResult, error) {
	cfg := transfer.SendConfig{
		LocalIP:     job.Carrier.Sender.Addr(),
		Group:       job.Carrier.Group,
		TTL:         job.Carrier.TTL,
		Identity:    n.id,
		Hosts:       make(map[transfer.Pin]string),
		JoinTimeout: job.JoinTimeout,
		MaxRate:     pace.Rate(job.MaxRate) / 8,
		MinRate:     pace.Rate(job.MinRate) / 8,
		Quorum:      job.Quorum,
		DSCP:        job.DSCP,
		Log:         n.log,
		Progress:    func(done int64) { progress(done, src.pack.Size()) },
	}
	if job.SlowHosts != "" {
		if err := cfg.Slow.UnmarshalText([]byte(job.SlowHosts)); err != nil {
			ln.Close()
			return message.SendResult{}, err
		}
	}
	if len(job.Pins) != len(job.Clients) {
		ln.Close()
		return message.SendResult{}, fmt.Errorf("%d keys for %d hosts", len(job.Pins), len(job.Clients))
	}
	for i, text := range job.Pins {
		var p transfer.Pin
		if err := p.UnmarshalText([]byte(text)); err != nil {
			ln.Close()
			return message.SendResult{}, fmt.Errorf("the key of %v: %w", job.Clients[i], err)
		}
		cfg.Hosts[p] = job.Clients[i].String()
	}
	// Two of them, since each keeps one blob open.
	in, again := src.pack.At(src.st), src.pack.At(src.st)
	defer in.Close()
	defer again.Close()
	size := src.pack.Size()
	r, err := transfer.Send(ctx, cfg, ln, transfer.Source{
		Reader: io.NewSectionReader(in, 0, size), Again: again, Size: size, Sums: src.pack.Summer(),
	})
	res := message.SendResult{Bytes: r.Size, Repaired: int64(r.Parity + r.Repeated + r.Repairs), Clients: make(map[string]string)}
	for _, h := range r.Hosts {
		switch {
		case !h.Done && h.Text != "":
			res.Clients[h.Name] = fmt.Sprintf("%v: %s", h.Reason, h.Text)
		case !h.Done:
			res.Clients[h.Name] = h.Reason.String()
		}
	}
	return res, err
}

func (n nativeCarrier) receive(ctx context.Context, job message.Receive, dst output, finish func() error, progress func(done int64)) (message.ReceiveResult, error) {
	cfg := transfer.ReceiveConfig{
		LocalIP:  job.LocalIP,
		Sender:   job.Carrier.Sender,
		Identity: n.id,
		Finish:   finish,
		Log:      n.log,
		Progress: func(done, _ int64) { progress(done) },
	}
	if err := cfg.Pin.UnmarshalText([]byte(job.Carrier.Pin)); err != nil {
		return message.ReceiveResult{}, fmt.Errorf("the sender's key: %w", err)
	}
	r, err := transfer.Receive(ctx, cfg, transfer.SegmentSink(dst))
	var bye *transfer.ByeError
	switch {
	case err != nil && r.Buffer > 0 && r.Counters.Received == 0:
		err = fmt.Errorf("%w: %w", errNoMulticast, err)
	case errors.As(err, &bye):
		err = fmt.Errorf("the sender ended it: %w", err)
	}
	return message.ReceiveResult{
		Bytes:         r.Size,
		Packets:       int64(r.Counters.Received + r.Repairs),
		Lost:          int64(r.Lost + r.Counters.Overflow + r.Counters.NoRoom),
		Repaired:      int64(r.Repairs),
		RepairedBytes: r.RepairBytes,
		Overflowed:    int64(r.Counters.Overflow),
	}, err
}
