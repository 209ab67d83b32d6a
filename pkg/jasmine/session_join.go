package jasmine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// join lets clients in until all came or the time is over. A client that leaves
// meanwhile frees its place.
func (s *session) join(ctx context.Context, d *door) error {
	var deadline <-chan time.Time
	if s.cfg.JoinTimeout > 0 {
		timer := time.NewTimer(s.cfg.JoinTimeout)
		defer timer.Stop()
		deadline = timer.C
	}
	for s.live < s.cfg.Clients {
		select {
		case conn := <-d.arrivals:
			s.admit(conn)
		case e := <-s.events:
			s.handle(e)
		case <-deadline:
			return s.joinOver()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.enter()
	return nil
}

// joinOver decides what to do without the clients that did not come.
func (s *session) joinOver() error {
	if s.live == 0 {
		return fmt.Errorf("%w: none joined within %v", ErrNoClients, s.cfg.JoinTimeout)
	}
	if s.cfg.OnMissing == OnMissingFail {
		return fmt.Errorf("%w: %d of %d within %v", ErrMissing, s.live, s.cfg.Clients, s.cfg.JoinTimeout)
	}
	s.cfg.Log.Warn("clients are missing, going on without them", "joined", s.live, "expected", s.cfg.Clients)
	s.enter()
	return nil
}

// enter ends the lobby for all.
func (s *session) enter() {
	for _, p := range s.peers {
		p.enter()
	}
}

func (s *session) admit(conn net.Conn) {
	addr := remoteAddr(conn)
	if reason := s.refusal(addr.Addr()); reason != "" {
		s.cfg.Log.Warn("client refused", "client", addr, "reason", reason)
		s.refused = refuse(s.refused, conn, reason)
		return
	}
	p := newPeer(conn, s.cfg.ClientTimeout, s.events)
	p.resentTotal = &s.resent
	s.peers = append(s.peers, p)
	s.setLive(s.live + 1)
	s.cfg.Log.Info("client joined", "client", addr, "joined", s.live, "expected", s.cfg.Clients)
	go p.run(s.cfg.group())
}

// refusal returns why a client from addr may not join, or "".
func (s *session) refusal(addr netip.Addr) string {
	if s.cfg.Allow == nil {
		return ""
	}
	if !slices.Contains(s.cfg.Allow, addr) {
		return "not expected"
	}
	for _, p := range s.peers {
		if p.state != peerGone && p.addr.Addr() == addr {
			return "this address has joined already"
		}
	}
	return ""
}
