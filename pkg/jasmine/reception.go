package jasmine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A reception is the client's way through the rounds.
//
//	info -> READY -> (packets) SENT -> [REQ -> packets]* -> output -> DONE -> info ...
//	info with no packets -> READY -> SENT -> all written -> Finish -> DONE -> over
type reception struct {
	cfg      ClientConfig
	count    *counters
	link     *link
	listener *listener
	arena    *arena
	out      *output
}

// run receives the stream.
func (r *reception) run(ctx context.Context) error {
	prev := bufferInfo{}
	for {
		info, err := r.link.readInfo(r.cfg.RoundTimeout, prev)
		if err != nil {
			return err
		}
		if info.Count == 0 {
			return r.end()
		}
		if err := r.round(ctx, info); err != nil {
			return err
		}
		prev = info
	}
}

func (r *reception) round(ctx context.Context, info bufferInfo) error {
	room, err := r.room(ctx, int(info.Count))
	if err != nil {
		return err
	}
	a := newAssembly(info, room)
	r.listener.current.Store(a)
	defer r.listener.current.Store(nil)
	if err := r.ready(); err != nil {
		return err
	}
	if err := r.gather(ctx, a); err != nil {
		return err
	}
	if err := r.repair(a); err != nil {
		return err
	}
	r.out.queue <- a // written while the next buffer comes
	if err := context.Cause(ctx); err != nil {
		return err // a failed output must not say DONE
	}
	return r.say(opDone)
}

// end is the last round: no DONE before everything is written.
func (r *reception) end() error {
	if err := r.ready(); err != nil {
		return err
	}
	r.out.close()
	if err := r.link.watch(r.out.done); err != nil {
		return err
	}
	if r.out.err != nil {
		return r.out.err
	}
	if r.cfg.Finish != nil {
		if err := r.cfg.Finish(); err != nil {
			return &OutputError{err}
		}
	}
	return r.say(opDone)
}

// ready says READY and waits for SENT.
func (r *reception) ready() error {
	r.listener.lastGood.Store(time.Now().UnixNano())
	if err := r.say(opReady); err != nil {
		return err
	}
	var op [1]byte
	limit := r.cfg.SilenceTimeout
	for {
		err := r.link.read(op[:], limit)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrSilent) {
			return err
		}
		// Packets are a sign of life too.
		if limit = r.cfg.SilenceTimeout - r.listener.idle(time.Now()); limit <= 0 {
			return fmt.Errorf("%w for %v", ErrSilent, r.cfg.SilenceTimeout)
		}
	}
	if op[0] != opSent {
		return protocolErrorf("the server sent %s instead of SENT", opName(op[0]))
	}
	return nil
}

// room waits until the arena has room for count packets: until the output has
// written what it has. The server may go meanwhile.
func (r *reception) room(ctx context.Context, count int) (*slots, error) {
	for {
		s, ok, err := r.arena.take(count)
		if err != nil || ok {
			return s, err
		}
		if err := r.link.watch(r.arena.freed); err != nil {
			return nil, err
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
}

// gather waits, after SENT, for the packets that are still on their way.
func (r *reception) gather(ctx context.Context, a *assembly) error {
	if isClosed(a.full) {
		return nil
	}
	r.listener.drain()
	select {
	case <-r.listener.drained:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	left, err := r.settle(ctx, a)
	r.count.lost.Add(int64(left))
	return err
}

// settle waits as long as packets still come, and returns how many are missing.
func (r *reception) settle(ctx context.Context, a *assembly) (left int, err error) {
	end := time.Now().Add(settleMax)
	left, err = a.left()
	for err == nil && left > 0 && time.Now().Before(end) {
		last := left
		select {
		case <-a.full:
		case <-time.After(settle):
		case <-ctx.Done():
			return left, context.Cause(ctx)
		}
		if left, err = a.left(); left == last {
			break
		}
	}
	return left, err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// repair asks for what is missing, over TCP, chunk by chunk.
func (r *reception) repair(a *assembly) error {
	var request []byte
	var packet [maxPacket]byte
	seqs := make([]uint32, 0, requestChunk)
	for next := 0; ; {
		seqs, next = a.absent(seqs[:0], next, requestChunk)
		if len(seqs) == 0 {
			break
		}
		request = appendRequest(request[:0], r.link.order, seqs)
		if err := r.link.write(request, r.cfg.SilenceTimeout); err != nil {
			return err
		}
		for range seqs {
			if err := r.repairOne(a, packet[:]); err != nil {
				return err
			}
		}
	}
	left, err := a.left()
	if err == nil && left > 0 {
		err = protocolErrorf("the server did not send %d of the packets it was asked for", left)
	}
	return err
}

func (r *reception) repairOne(a *assembly, b []byte) error {
	seq, payload, err := r.link.readPacket(b, r.cfg.SilenceTimeout)
	if err != nil {
		return err
	}
	switch a.add(seq, payload) {
	case added:
		r.count.packets.Add(1)
		r.count.repaired.Add(1)
	case misfit:
		if _, err := a.left(); err != nil {
			return err
		}
		return protocolErrorf("repair packet %d of %d bytes does not fit its buffer", seq, len(payload))
	case duplicate: // its multicast copy came after all
	}
	return nil
}

func (r *reception) say(op byte) error { return r.link.write([]byte{op}, r.cfg.SilenceTimeout) }
