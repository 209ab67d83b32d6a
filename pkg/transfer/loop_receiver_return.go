package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// awayTick is how often the loop of a receiver without a connection looks around.
const awayTick = 50 * time.Millisecond

// listen posts what the sender says, until the end of the connection; if that was none
// that either side wanted, of one more connection too (fault 39).
func (r *reception) listen(ctx context.Context, cfg ReceiveConfig, c *conn) {
	err := r.listenTo(c)
	if err == nil {
		return
	}
	if r.askToReturn(err) {
		again, w, errAgain := cfg.dial(ctx)
		switch {
		case errAgain != nil:
			err = fmt.Errorf("%w; connecting again: %w", err, errAgain)
		case !r.post(func() { r.comeBack(again, w) }):
			again.close(0)
			return
		default:
			if err = r.listenTo(again); err == nil {
				return
			}
		}
	}
	reason := wire.Silent
	if errors.Is(err, wire.ErrFormat) {
		reason = wire.Misbehaved
	}
	r.post(func() { r.fail(reason, fmt.Errorf("listening to the sender: %w", err)) })
}

// listenTo posts what comes over a connection, and returns why it ended: nil if nobody
// asks any more.
func (r *reception) listenTo(c *conn) error {
	for {
		m, err := c.receive(wire.SilenceLimit, wire.MaxFrame)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = ErrSilent
			}
			return err
		}
		if p, ok := m.(wire.Repair); ok {
			p.Payload = slices.Clone(p.Payload)
			m = p
		}
		if !r.post(func() { r.hear(m) }) {
			return nil
		}
	}
}

// askToReturn asks the loop whether to connect again after err: once, and neither
// after the end nor to a sender that was silent, or broke the protocol.
func (r *reception) askToReturn(err error) bool {
	answer := make(chan bool, 1)
	r.post(func() {
		r.isAway = !r.isOver && !r.hasReturned && !errors.Is(err, ErrSilent) && !errors.Is(err, wire.ErrFormat)
		r.hasReturned = true
		if r.isAway {
			r.log.Warn("the connection to the sender broke: connecting again", "reason", err)
		}
		answer <- r.isAway
	})
	select {
	case ok := <-answer:
		return ok
	case <-r.quit:
		return false
	}
}

// comeBack goes on over another connection: what is here already is told, and the
// packets of the group have come all the time.
func (r *reception) comeBack(c *conn, w wire.Welcome) {
	old := r.c
	r.wg.Go(func() { old.close(0) })
	r.c, r.isAway, r.learned, r.told = c, false, 0, 0
	switch {
	case r.isOver:
	case w.Session != r.welcome.Session:
		r.fail(wire.Local, errors.New("transfer: the sender has begun another session"))
	case w.Geometry != r.g && !r.recut(w):
	default:
		r.core.Reconnected()
		if held := r.core.Held(); held.Len() > 0 {
			r.say(wire.Resume{Held: held})
		}
		r.say(wire.Ready{ReceiveBuffer: uint32(r.result.Buffer)})
	}
}

// Reconnected tells that the sender has forgotten what it was asked for.
func (r *Receiver) Reconnected() {
	r.fetching, r.fetchLeft = rangeset.Set{}, 0
}

// Held returns the blocks that need not be sent to this host: those that are complete,
// verified or not; of the first ranges only where there are too many for one RESUME.
func (r *Receiver) Held() (held rangeset.Set) {
	for n := wire.Block(0); n < r.next || n < r.base; n++ {
		if b := r.look(n); b != nil && b.isFull {
			if held.Ranges() == wire.MaxRanges && held.End() != uint64(n) {
				break
			}
			held.Add(uint64(n), uint64(n)+1)
		}
	}
	return held
}
