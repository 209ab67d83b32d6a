package jasmine

import (
	"context"
	"time"
)

// multicast sends the round's packets to the group, the last one first, as the
// original server does: its clients are known to take that order, and ours take
// any. (Ours wait for the whole buffer before they write, so ascending order
// would gain nothing.)
func (s *session) multicast(ctx context.Context, r *round) error {
	var headers [sendBatch * headerSize]byte
	var parts [sendBatch][2][]byte
	var batch [sendBatch][][]byte
	for next := int(r.info.Count); next > 0; {
		n := min(next, sendBatch)
		free := headers[:0]
		bytes := 0
		for i := range n {
			next--
			payload := r.buf.payload(next)
			from := len(free)
			free = appendHeader(free, wireOrder, r.info.Base+uint32(next), payload)
			parts[i] = [2][]byte{free[from:], payload}
			batch[i] = parts[i][:]
			bytes += len(payload)
		}
		if err := s.sender.send(ctx, batch[:n], bytes+n*headerSize); err != nil {
			return err
		}
		s.bytesSent.Add(int64(bytes))
		s.packets += int64(n)
	}
	return nil
}

// A pacedSender sends no faster than rate.
type pacedSender struct {
	out  packetSender
	rate int64     // bits a second; 0: no bound
	next time.Time // when the next batch may leave
}

func newPacedSender(out packetSender, rate int64) *pacedSender {
	return &pacedSender{out: out, rate: rate}
}

// send sends a batch of size bytes when its time has come.
func (p *pacedSender) send(ctx context.Context, batch [][][]byte, size int) error {
	if p.rate > 0 {
		if err := p.pause(ctx, size); err != nil {
			return err
		}
	}
	err := p.out.Send(batch)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // which closed the socket
	}
	return err
}

// paceSlack is how far sending may fall behind its schedule and catch up: the
// error of a timer, not a burst that a switch would notice.
const paceSlack = 2 * time.Millisecond

func (p *pacedSender) pause(ctx context.Context, size int) error {
	now := time.Now()
	if p.next.Before(now.Add(-paceSlack)) {
		p.next = now.Add(-paceSlack)
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(size) * 8 / float64(p.rate) * float64(time.Second)))
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
