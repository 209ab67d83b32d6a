package jasmine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// A session is one Serve. Its goroutine (run) owns everything but what says
// otherwise; each client has a goroutine of its own, see peer.
//
//	join -> [ info -> all READY -> multicast -> SENT -> all DONE ]* -> end round -> closed
type session struct {
	cfg    ServerConfig
	source *source
	sender *pacedSender
	events chan peerEvent // from the peers; never closed

	peers   []*peer // all that joined, in the order they came
	live    int     // those that are not gone
	refused []ClientResult
	current *round // whose sent is not closed yet, or nil

	liveNow   atomic.Int64 // the same, for progress
	bytesSent atomic.Int64
	resent    atomic.Int64 // packets, over all peers
	packets   int64
}

func newSession(cfg ServerConfig, sender packetSender) *session {
	return &session{
		cfg:    cfg,
		source: newSource(cfg.testOnlyBufferPackets),
		sender: newPacedSender(sender, cfg.MaxRate),
		events: make(chan peerEvent),
	}
}

// run is the session's life. When it returns, all peers are gone.
func (s *session) run(ctx context.Context, d *door) error {
	err := s.join(ctx, d)
	close(d.shut)
	if err == nil {
		err = s.rounds(ctx)
	}
	s.leave(err)
	return err
}

// rounds sends the stream, buffer by buffer, and the end.
func (s *session) rounds(ctx context.Context) error {
	prev := bufferInfo{}
	for {
		b, err := s.nextBuffer(ctx)
		if err != nil {
			return err
		}
		info := bufferInfo{
			ID: prev.ID + 1, Size: uint32(len(b.data)),
			Base: prev.Base + prev.Count, Count: b.count(),
		}
		if uint64(info.Base)+uint64(info.Count) > 1<<32-1 {
			return errors.New("jasmine: the stream has more packets than the wire can count")
		}
		if err := s.round(ctx, info, b); err != nil || info.Count == 0 {
			return err
		}
		s.source.free <- b
		prev = info
	}
}

// nextBuffer waits for the source.
func (s *session) nextBuffer(ctx context.Context) (*buffer, error) {
	select {
	case b, ok := <-s.source.ready:
		if !ok {
			return nil, s.source.err
		}
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *session) round(ctx context.Context, info bufferInfo, b *buffer) error {
	r := &round{info: info, buf: b, sent: make(chan struct{})}
	s.current = r
	for _, p := range s.peers {
		if p.state != peerGone {
			p.state = peerJoined
			p.rounds <- r
		}
	}
	maxLag := s.cfg.MaxLag
	if info.Count == 0 {
		maxLag = -1 // who writes the last bytes slowly holds up nobody
	}
	if err := s.await(ctx, peerReady, maxLag); err != nil {
		return err
	}
	if err := s.multicast(ctx, r); err != nil {
		return err
	}
	s.current = nil
	close(r.sent)
	return s.await(ctx, peerDone, maxLag)
}

// await waits until every client is in the wanted state or gone.
func (s *session) await(ctx context.Context, want peerState, maxLag time.Duration) error {
	w := newWaiting(time.Now(), maxLag)
	finished := 0
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	timer.Stop()
	for finished < s.live {
		select {
		case e := <-s.events:
			now := time.Now()
			s.handle(e)
			if e.what == want {
				finished++
				e.peer.lag += w.lag(now)
			}
			if w.progress(now, finished, s.live) {
				s.armLag(timer, w, now, want)
			}
		case now := <-timer.C:
			s.dropLaggards(w, now, want)
			s.armLag(timer, w, now, want)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if s.live == 0 {
		return ErrNoClients
	}
	return nil
}

// handle notes what a peer tells.
func (s *session) handle(e peerEvent) {
	p := e.peer
	p.state = e.what
	if e.what != peerGone {
		return
	}
	if p.why == nil {
		p.why = e.err
	}
	s.setLive(s.live - 1)
	if p.why != nil {
		s.cfg.Log.Warn("client dropped", "client", p.addr, "reason", p.why)
	}
}

func (s *session) setLive(n int) {
	s.live = n
	s.liveNow.Store(int64(n))
}

// armLag sets timer to when the first of the pending clients will have held up
// the others for too long.
func (s *session) armLag(timer *time.Timer, w *waiting, now time.Time, want peerState) {
	var first time.Time
	for p := range s.pending(want) {
		if t, never := w.until(p.lag); !never && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		timer.Reset(first.Sub(now))
	}
}

// dropLaggards closes the connections of those whose lag is used up; their
// goroutines then say that they are gone.
func (s *session) dropLaggards(w *waiting, now time.Time, want peerState) {
	for p := range s.pending(want) {
		if t, never := w.until(p.lag); !never && !now.Before(t) {
			p.why = fmt.Errorf("it held up the others for %v in all", w.max)
			p.conn.Close()
		}
	}
}

// pending yields the clients that the session waits for and has not dropped.
func (s *session) pending(want peerState) func(func(*peer) bool) {
	return func(yield func(*peer) bool) {
		for _, p := range s.peers {
			if p.state != want && p.state != peerGone && p.why == nil && !yield(p) {
				return
			}
		}
	}
}

// leave ends all peers: cleanly after the last round, else by closing their
// connections before the end, so that no client takes what it has for all.
func (s *session) leave(err error) {
	for _, p := range s.peers {
		if p.state == peerGone {
			continue
		}
		if err != nil {
			p.why = fmt.Errorf("the session ended early: %w", err)
			p.conn.Close()
		}
		close(p.rounds)
	}
	if s.current != nil {
		close(s.current.sent)
	}
	for s.live > 0 {
		s.handle(<-s.events)
	}
}

func (s *session) progress() ServerProgress {
	return ServerProgress{
		Clients: int(s.liveNow.Load()), Bytes: s.bytesSent.Load(), Resent: s.resent.Load(),
	}
}

// result is called when all peers are gone.
func (s *session) result(late []ClientResult) Result {
	res := Result{
		Expected: s.cfg.Clients, Bytes: s.bytesSent.Load(),
		Packets: s.packets, Unsent: int64(s.sender.out.Unsent()),
		Resent: s.resent.Load(),
	}
	for _, p := range s.peers {
		c := ClientResult{Addr: p.addr, Bytes: p.bytes, Resent: p.resent}
		if p.why != nil {
			c.State, c.Reason = Dropped, p.why.Error()
		}
		res.Clients = append(res.Clients, c)
	}
	res.Clients = append(res.Clients, s.refused...)
	res.Clients = append(res.Clients, late...)
	return res
}
