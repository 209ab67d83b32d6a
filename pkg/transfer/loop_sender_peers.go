package transfer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A peer is one receiver's connection. The loop owns it; its reader only posts.
type peer struct {
	id         HostID
	c          *conn
	name       string
	addr       netip.Addr
	held       rangeset.Set
	isReady    bool
	isResuming bool          // it looks what it holds, and will tell
	isOver     bool          // it left, or was told BYE
	isReplaced bool          // it failed, and its host came back with another key
	isAway     bool          // it is over, and the core waits for its return
	hasHeir    bool          // another of its address came while it is in doubt
	doubtedAt  time.Duration // since when it has to prove that it lives; 0 if it has not
	isRecut    bool          // it got another WELCOME
	mtu        int           // of the way to it, as TCP knows; 0 if it does not
	seen       uint64
	told       int // digests sent to it
	stash      []wire.PacketID
	result     HostResult
}

// enter takes over a connection from the door.
func (s *sending) enter(c *conn) {
	if !s.post(func() { s.welcomePeer(c) }) {
		c.close(0)
	}
}

// welcomePeer takes a receiver into the session. One that is in it already, by
// its key, is replaced: the old connection is that of a process which is gone, or
// of a network path that died (fault 54).
func (s *sending) welcomePeer(c *conn) {
	for _, p := range s.peers {
		if p.c.pin == c.pin && !p.isOver {
			s.log.Warn("receiver connected again, the older connection ends", "receiver", p.name)
			s.expect(p)
			s.dismiss(p, wire.Replaced, "")
		}
	}
	doubted := s.doubt(addressOf(c.tls.NetConn()))
	switch {
	case s.active() < s.expected():
		if doubted != nil {
			doubted.hasHeir = true
		}
		s.admit(c)
	case len(s.waiting) < s.inDoubt():
		s.waiting = append(s.waiting, c) // see seat
	default:
		s.refuse(c, isFull)
	}
}

// isFull is why a receiver is refused that no place is left for.
const isFull = "as many receivers as expected are there"

// admit makes a peer of a connection, and tells it so.
func (s *sending) admit(c *conn) {
	p := &peer{id: HostID(len(s.peers)), c: c, addr: addressOf(c.tls.NetConn()), name: s.cfg.Hosts[c.pin]}
	if p.name == "" {
		p.name = p.addr.String()
	}
	p.result = HostResult{Name: p.name, Addr: p.addr}
	s.fitPeer(p)
	if err := c.send(s.welcome); err != nil {
		c.close(0)
		return
	}
	s.takePlace(p)
	s.peers = append(s.peers, p)
	s.byID[p.id] = p
	s.wg.Go(func() { s.listenTo(p) })
}

// takePlace has a receiver that came by a token stand for one of the same address that
// failed before: each process makes a key of its own, and what counts in the end is
// whether the host has the stream.
func (s *sending) takePlace(p *peer) {
	if len(s.cfg.Hosts) > 0 {
		return
	}
	i := slices.IndexFunc(s.peers, func(o *peer) bool {
		return o.addr == p.addr && o.isOver && !o.result.Done && !o.isReplaced
	})
	if i >= 0 {
		s.peers[i].isReplaced = true
	}
}

func (s *sending) refuse(c *conn, why string) {
	s.log.Warn("receiver refused", "from", c.tls.RemoteAddr(), "reason", why)
	_ = c.send(wire.Bye{Reason: wire.Refused, Text: why})
	s.wg.Go(func() { c.close(byeGrace) })
}

// active returns how many receivers are in the session, or were to its end.
func (s *sending) active() (n int) {
	for _, p := range s.peers {
		if !p.isOver || p.result.Done {
			n++
		}
	}
	return n
}

// listenTo posts what a peer says until its end. A REPORT is due every two
// seconds at least, so silence for ten is the end (fault 11).
func (s *sending) listenTo(p *peer) {
	for {
		m, err := p.c.receive(wire.SilenceLimit, wire.MaxFrame)
		if err != nil {
			s.post(func() { s.lost(p, err) })
			return
		}
		if !s.post(func() { s.hear(p, m) }) {
			return
		}
	}
}

// lost takes out a peer whose connection ended.
func (s *sending) lost(p *peer, err error) {
	if p.isOver {
		return
	}
	reason := wire.Silent
	if errors.Is(err, wire.ErrFormat) {
		reason = wire.Misbehaved
	} else if errors.Is(err, io.EOF) {
		err = errors.New("it closed the connection")
	}
	if reason == wire.Silent && !errors.Is(err, os.ErrDeadlineExceeded) && !s.isReturned(p) {
		s.expect(p)
	}
	s.dismiss(p, reason, err.Error())
}

// returnTime is how long the session does not end because of a receiver whose
// connection broke: it connects again once (fault 39).
const returnTime = 2 * time.Second

// expect has the core wait for a receiver that is about to be dismissed.
func (s *sending) expect(p *peer) {
	if p.isReady && s.isBegun {
		p.isAway = true
		time.AfterFunc(returnTime, func() { s.post(func() { s.expectNoMore(p) }) })
	}
}

func (s *sending) expectNoMore(p *peer) {
	if p.isAway {
		p.isAway = false
		s.core.Back(s.clock.now())
	}
}

// isReturned reports whether p is not the first connection of its receiver.
func (s *sending) isReturned(p *peer) bool {
	return slices.ContainsFunc(s.peers, func(o *peer) bool { return o != p && o.c.pin == p.c.pin })
}

// dismiss ends a peer's part with a BYE.
func (s *sending) dismiss(p *peer, r wire.Reason, text string) {
	if p.isOver {
		return
	}
	p.isOver = true
	delete(s.byID, p.id)
	if r == wire.Finished {
		p.result.Done = true
	} else {
		p.result.Reason, p.result.Text = r, text
		p.isReplaced = p.isReplaced || p.hasHeir
		s.log.Warn("receiver is given up", "receiver", p.name, "reason", r, "text", text)
		switch {
		case p.isAway:
			s.core.Away(s.clock.now(), p.id)
		case p.isReady:
			s.core.Leave(s.clock.now(), p.id)
		}
	}
	_ = p.c.send(wire.Bye{Reason: r, Text: text})
	s.wg.Go(func() { p.c.close(byeGrace) })
}

// hear takes in a message.
func (s *sending) hear(p *peer, m wire.Message) {
	if p.isOver {
		return
	}
	now := s.clock.now()
	p.lives(now)
	switch m := m.(type) {
	case wire.Resume:
		s.resume(p, m)
	case wire.Ready:
		s.ready(now, p)
	case wire.CanaryReport:
		p.seen |= m.Received
		s.canaries.heard(s)
	case wire.Report:
		p.result.Counters = m.Counters
		s.core.Report(now, p.id, &m)
	case wire.Map:
		s.core.Map(now, p.id, m)
	case wire.Fetch:
		s.core.Fetch(now, p.id, m.Packets)
	case wire.Done:
		s.done(now, p, m)
	case wire.Bye:
		if m.Reason == wire.Finished { // that is the sender's to say, to a DONE that it has checked
			m = wire.Bye{Reason: wire.Misbehaved, Text: "it says to be finished"}
		}
		s.dismiss(p, m.Reason, cmpText(m.Text, "it gave up"))
	default:
		s.dismiss(p, wire.Misbehaved, unexpected(m).Error())
	}
}

func cmpText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// ready takes a peer into the group. To be ready twice changes nothing (fault 56).
func (s *sending) ready(now time.Duration, p *peer) {
	if p.isReady {
		return
	}
	p.isReady = true
	s.core.Join(now, p.id, p.held)
	for _, o := range s.peers {
		if o.c.pin == p.c.pin || len(s.cfg.Hosts) == 0 && o.addr == p.addr {
			s.expectNoMore(o)
		}
	}
	s.canaries.again(now)
	s.catchUp(p)
}

// done checks what a peer says to have: the root cannot be known before the end
// (fault 56).
func (s *sending) done(now time.Duration, p *peer, m wire.Done) {
	if !p.isReady || s.end == nil || m.Root != s.end.Root {
		s.dismiss(p, wire.Misbehaved, "it says to have what it cannot have")
		return
	}
	p.result.Counters = m.Counters
	s.core.Done(now, p.id)
	s.dismiss(p, wire.Finished, "")
}

// act does what the core's events ask for.
func (s *sending) act() {
	for _, e := range slices.Clone(s.core.Events()) {
		if e.Kind == Released {
			s.release(e.Block)
			continue
		}
		if p := s.byID[e.Host]; p != nil {
			s.actOn(p, e)
		}
	}
}

func (s *sending) actOn(p *peer, e Event) {
	switch e.Kind {
	case Detached, Alone:
		e.Reason = p.reasonOf(e)
		p.result.Detached = e.Reason
		log := s.log
		if e.Reason == wire.TooLarge {
			log = log.With("mtu", p.mtu, "packet", s.datagram()+wire.IPOverhead)
		}
		log.Warn("receiver is detached: the others do not wait for it", "receiver", p.name, "reason", e.Reason)
		s.say(p, wire.Detach{Alone: e.Kind == Alone, Reason: e.Reason})
	case Failed:
		s.dismiss(p, p.reasonOf(e), "")
	}
}

// reasonOf returns why a peer is detached or given up, as far as its canaries tell more
// than the core knows.
func (p *peer) reasonOf(e Event) wire.Reason {
	if (e.Reason == wire.NoMulticast || e.Reason == wire.Gone) && sawSmallOnly(p.seen) {
		return wire.TooLarge
	}
	return e.Reason
}

// say sends a message to a peer, and drops it if it does not read.
func (s *sending) say(p *peer, m wire.Message) {
	if err := p.c.send(m); err != nil {
		s.dismiss(p, wire.Silent, err.Error())
	}
}

// missing are the hosts that never joined.
func (s *sending) missing() (out []HostResult) {
	left := maps.Clone(s.cfg.Hosts)
	for _, p := range s.peers {
		delete(left, p.c.pin)
	}
	for _, name := range left {
		out = append(out, HostResult{Name: name, Reason: wire.Silent, Text: "did not join"})
	}
	slices.SortFunc(out, func(a, b HostResult) int { return strings.Compare(a.Name, b.Name) })
	if len(s.cfg.Hosts) == 0 {
		for n := len(s.latest()); n < s.cfg.Receivers; n++ {
			out = append(out, HostResult{Name: fmt.Sprintf("receiver %d", n+1), Reason: wire.Silent, Text: "did not join"})
		}
	}
	return out
}

// part tells all that the session is over, and collects what became of them. The
// loop has ended.
func (s *sending) part(err error) {
	reason, text := wire.Local, ""
	switch {
	case err == nil:
		reason = wire.Late // who is left was not READY
	case errors.Is(err, wire.ErrExhausted):
		reason = wire.Exhausted
	case !errors.Is(err, ErrSource):
		reason = wire.Interrupted
	}
	if err != nil {
		text = err.Error()
	}
	for _, c := range s.waiting {
		s.refuse(c, "the session is over")
	}
	for _, p := range s.peers {
		if !p.isOver {
			p.isOver = true
			p.result.Reason, p.result.Text = reason, text
			_ = p.c.send(wire.Bye{Reason: reason, Text: text})
			s.wg.Go(func() { p.c.close(byeGrace) })
		}
	}
	s.result.Hosts = append(s.latest(), s.missing()...)
}

// latest returns the results of peers, of each identity, or host that came back, the
// last.
func (s *sending) latest() (out []HostResult) {
	last := make(map[Pin]*peer)
	for _, p := range s.peers {
		last[p.c.pin] = p
	}
	for _, p := range s.peers {
		if last[p.c.pin] == p && !p.isReplaced {
			out = append(out, p.result)
		}
	}
	return out
}

// repairJobs bounds the repairs that are being read.
const repairJobs = 256

// A repairJob is a data packet to be read again and sent to one peer.
type repairJob struct {
	c  *conn
	id wire.PacketID
}

// maxStash bounds the repairs that wait for one peer's connection. What is beyond
// is asked for again.
const maxStash = maxFetch

// sendRepairs hands over what single hosts are owed, and returns when there may be
// more.
func (s *sending) sendRepairs(now time.Duration) time.Duration {
	wait := tickTime
	for range repairJobs / 4 {
		to, id, ok, w := s.core.NextRepair(now)
		if !ok {
			wait = w
			break
		}
		if p := s.byID[to]; p != nil && len(p.stash) < maxStash {
			p.stash = append(p.stash, id)
		} else {
			s.core.RepairDropped(to)
		}
		wait = 0
	}
	for _, p := range s.peers {
		if len(p.stash) > 0 && !p.isOver && s.unstash(p) {
			wait = min(wait, napLimit)
		}
	}
	return wait
}

// unstash hands over repairs while the peer's connection takes them, and reports
// whether some are left.
func (s *sending) unstash(p *peer) bool {
	for len(p.stash) > 0 && len(s.repairs) < cap(s.repairs) && p.c.hasRoom() {
		id := p.stash[0]
		p.stash = p.stash[1:]
		switch b := s.blocks[id.Block]; {
		case b != nil && int(id.Index) >= b.packets(s.g):
			continue // there is no such packet: it was asked for before the end was known
		case b != nil:
			s.say(p, wire.Repair{Packet: id, Payload: b.packet(s.g, id.Index)})
		case s.src.isStream():
			s.dismiss(p, wire.Gone, "")
			return false
		default:
			s.repairs <- repairJob{p.c, id}
		}
		s.result.Repairs++
	}
	return len(p.stash) > 0
}

// repair reads packets again and sends them, on a goroutine of its own: the disk
// may be slow.
func (s *sending) repair() {
	buf := make([]byte, s.g.Payload)
	for job := range s.repairs {
		p := buf[:s.g.PayloadLen(uint64(s.src.Size), job.id)]
		if len(p) == 0 {
			continue // there is no such packet
		}
		if err := readAgain(s.src, p, int64(s.g.Offset(job.id))); err != nil {
			s.post(func() { s.fatal = err })
			continue
		}
		_ = job.c.send(wire.Repair{Packet: job.id, Payload: p}) // its failure shows elsewhere
	}
}
