package transfer

import (
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A hostState is where a host stands:
//
//	attached <--> waiting --> alone --> completed
//	    '------------+----------+-----> failed, gone
type hostState uint8

const (
	attached  hostState = iota // blocks are kept and repaired for it
	waiting                    // gets what reaches it; attached in a later pass
	alone                      // gets REPAIRs only
	completed                  // has all
	out                        // failed, or gone
)

// A host is what the sender knows of one receiver.
type host struct {
	id    HostID
	state hostState
	since time.Duration // in this state
	heard time.Duration
	talks time.Duration // since when it tells without a pause
	held  rangeset.Set

	hasMark   bool
	mark      mark       // where the last sample ended
	joined    uint64     // the counter when it did, or was there again
	isHearing bool       // it has told of a packet of the group
	counter   uint64     // of the last report, or all that was sent before it
	from      uint64     // s.counter when it was attached again: what it lacked before may be in its buffer
	told      uint64     // counter of the last report, as it told: it grows while its buffer is emptied
	oldest    wire.Block // it holds all before
	next      wire.Block // the last report was about the blocks before
	deficits  []wire.Deficit
	detached  int // times
	returns   int // times it was attached again in the main pass
	// wellSince is since when a host that waits does as well as the others.
	wellSince time.Duration
	reason    wire.Reason

	// isSuspect is set while it gets so much less than most, or loses so much more,
	// that they would wait for it; suspectSince is 0 while it is not.
	isSuspect    bool
	suspectSince time.Duration

	fetch   []rangeset.Range // packets it asked for, in order
	owed    uint64           // in fetch
	fetched uint64           // sent to it one to one, in the session
	asked   uint64           // sent to the group because it asked, in the session
	// askedWhole is of blocks of which it had nothing: they may never have been sent,
	// because others hold them, or before it came.
	askedWhole uint64
	gotAt      time.Duration // when it last told of something new
	got        uint64        // packets, as it told
	isFull     bool          // it has said to hold all packets
}

// A mark is a point in what a host received.
type mark struct {
	counter, received, marked, noRoom uint64
	at                                time.Duration // the host's clock
}

// Join takes a host into the session, once it is READY, with the blocks that it holds
// already. In the main pass it is attached if it lacks little of what was sent: it came
// early, or was away for a moment. Else it waits for a pass of its own; in Stream mode it
// fails as soon as something that it lacks has left the window.
func (s *Sender) Join(now time.Duration, id HostID, held rangeset.Set) {
	h := &host{id: id, since: now, heard: now, talks: now, held: held, joined: s.counter}
	for h.oldest < s.nextSend && held.Contains(uint64(h.oldest)) {
		h.oldest++
	}
	s.hosts[id] = h
	s.order = append(s.order, h)
	s.inState[attached]++
	switch {
	case s.pass == 0 || s.pass == 1 && s.canAttach(h):
		s.oldest = min(s.oldest, h.oldest)
		s.ctl.Add(now, pace.Host(id))
	case s.isGone(h):
		s.fail(h, wire.Gone)
	default:
		h.reason = wire.Late
		s.become(h, waiting)
	}
}

// canAttach reports whether what a host lacks of what was sent can be had, and is
// little enough not to make the others wait. Of a stream it is now or never.
func (s *Sender) canAttach(h *host) bool {
	most := s.backBlocks()
	switch {
	case s.isGone(h):
		return false
	case s.cfg.Mode == wire.Stream || s.oldest == 0:
		most = uint64(s.cfg.PoolBlocks / 4)
	}
	lacked := uint64(0)
	for n := h.oldest; n < s.nextSend; n++ {
		if !h.held.Contains(uint64(n)) {
			lacked++
		}
	}
	return lacked <= most
}

// backBlocks is how much a host may lack of what was sent that is to be waited for again.
func (s *Sender) backBlocks() uint64 {
	return max(uint64(backShare*float64(s.nextSend)), uint64(s.cfg.PoolBlocks/16))
}

// isGone reports whether something that a host lacks has left a stream's window.
func (s *Sender) isGone(h *host) bool { return s.cfg.Mode == wire.Stream && h.oldest < s.window }

// failGone fails the hosts that wait, or are served alone, for what a stream's window has
// left behind.
func (s *Sender) failGone() {
	if s.inState[waiting]+s.inState[alone] == 0 {
		return
	}
	for _, h := range s.order {
		switch {
		case h.state != waiting && h.state != alone || !s.isGone(h):
		case h.reason == wire.NoMulticast:
			s.fail(h, h.reason)
		default:
			s.fail(h, wire.Gone)
		}
	}
}

// Away takes out a host whose connection broke and may come back: until Back, the
// session does not end.
func (s *Sender) Away(now time.Duration, id HostID) {
	s.away++
	s.Leave(now, id)
}

// Back tells that a host which was Away has joined anew, or will not.
func (s *Sender) Back(now time.Duration) {
	s.away--
	s.check(now)
}

// become changes the state of a host, and keeps count.
func (s *Sender) become(h *host, st hostState) {
	s.inState[h.state]--
	s.inState[st]++
	h.state = st
}

// Leave takes out a host whose connection has ended.
func (s *Sender) Leave(now time.Duration, id HostID) {
	h := s.hosts[id]
	if h == nil {
		return
	}
	s.leaveGroup(h)
	s.become(h, out)
	s.owing -= h.owed
	delete(s.hosts, id)
	s.order = slices.DeleteFunc(s.order, func(o *host) bool { return o == h })
	s.check(now)
}

// Done tells that a host holds the whole stream, verified.
func (s *Sender) Done(now time.Duration, id HostID) {
	h := s.hosts[id]
	if h == nil || h.state >= completed {
		return
	}
	s.leaveGroup(h)
	s.become(h, completed)
	s.owing -= h.owed
	h.fetch, h.owed = nil, 0
	s.tell(Event{Kind: Completed, Host: id})
	s.check(now)
}

func (s *Sender) leaveGroup(h *host) { s.ctl.Remove(pace.Host(h.id)) }

func (s *Sender) fail(h *host, r wire.Reason) {
	s.leaveGroup(h)
	s.become(h, out)
	s.owing -= h.owed
	h.fetch, h.owed, h.reason = nil, 0, r
	s.tell(Event{Kind: Failed, Host: h.id, Reason: r})
}

// attachedHosts returns how many hosts the sender waits for.
func (s *Sender) attachedHosts() int { return s.inState[attached] }

// Report takes in what a host tells. A counter that was not sent yet is a forger's,
// who has the group's key, and not the host's fault: the report counts as one of
// everything so far, and tells nothing of the rate.
func (s *Sender) Report(now time.Duration, id HostID, r *wire.Report) {
	h := s.hosts[id]
	if h == nil || h.state >= completed {
		return
	}
	s.noteSign(now, h)
	m := mark{counter: r.Counter, received: r.Counters.Received, marked: r.Counters.CEMarks, noRoom: r.Counters.NoRoom, at: r.At}
	isForged := m.counter > s.counter
	if isForged || m.counter > h.mark.counter || s.counter-m.counter < minSample {
		s.lastProgress = now
		s.ctl.Alive(now, pace.Host(id))
	}
	if !isForged {
		s.observe(now, h, m)
	}
	if m.counter > 0 {
		h.isHearing, s.isHeard = true, true
	}
	if r.Next == 0 && r.Counter > 0 {
		return // a mark
	}
	if r.Counters.BadSegments >= maxBad && h.state < alone {
		s.serveAlone(now, h, wire.Corrupt)
	}
	h.counter = max(h.counter, min(r.Counter, s.counter))
	if now-s.lastAt > 2*s.interval+50*time.Millisecond && r.Counter <= h.told {
		h.counter = s.counter // what it has not seen by now is lost
	}
	h.told = r.Counter
	h.oldest = max(h.oldest, r.Oldest)
	h.next = r.Next
	h.deficits = append(h.deficits[:0], r.Deficits...)
	s.noteStep(now, h, r)
	if h.state == attached && s.asksTooMuch(h, r) {
		s.serveAlone(now, h, wire.Lossy)
	}
	if h.state == attached {
		s.serve(h, r)
	}
	s.check(now)
}

// noteSign notes a sign of life. Of one that was silent nobody knows whether the group
// reaches it: that is seen by what is sent from now on.
func (s *Sender) noteSign(now time.Duration, h *host) {
	if now-h.heard > detachAfter {
		h.talks, h.joined = now, s.counter
	}
	h.heard = now
}

// noteStep notes when a host last came further, or had nothing to come further by. One
// that is served alone comes further by what it fetches, whatever it says (fault 57).
func (s *Sender) noteStep(now time.Duration, h *host, r *wire.Report) {
	isFirstWhole := !h.isFull && s.isWhole(h)
	hasAllSent := h.state == attached && h.oldest >= s.nextSend && !s.isWhole(h)
	canAsk := h.state != alone || s.isEnded // a stream's end has to be known for FETCH
	if r.Counters.Received > h.got && h.state != alone || isFirstWhole || hasAllSent || !canAsk {
		h.gotAt = now
	}
	h.got = max(h.got, r.Counters.Received)
	h.isFull = h.isFull || isFirstWhole
}

// asksTooMuch reports whether a host has asked for more than it can need: it would
// keep the others' session up for ever (fault 57).
func (s *Sender) asksTooMuch(h *host, r *wire.Report) bool {
	lost := h.counter - min(h.counter, r.Counters.Received)
	budget := uint64(askBudget)
	if s.cfg.Mode == wire.Stream {
		budget = askStream
	}
	return h.asked > askFactor*lost+uint64(askShare*float64(h.counter))+askFree ||
		h.askedWhole > askFactor*lost+s.packets()+askFree ||
		h.asked+h.askedWhole > budget*s.packets()+askFree
}

// deficit returns how many packets of a block h lacks, as it told last.
func (h *host) deficit(n wire.Block) (packets int, ok bool) {
	i, ok := slices.BinarySearchFunc(h.deficits, n, func(d wire.Deficit, n wire.Block) int {
		return int(d.Block) - int(n)
	})
	if !ok {
		return 0, false
	}
	return int(h.deficits[i].Packets), true
}

// observe tells the controller what arrived since the last mark, once that is
// enough to tell a rate by: bursts of a few packets look like any rate.
func (s *Sender) observe(now time.Duration, h *host, m mark) {
	first, end := h.mark.counter, m.counter
	if h.hasMark && end < first {
		return
	}
	if !h.hasMark || s.counter-first >= sentTimes || m.received < h.mark.received {
		h.hasMark, h.mark = m.counter > 0, m
		return
	}
	if end-first < minSample && m.at-h.mark.at < maxSampleTime || end == first {
		return
	}
	if h.state == waiting && float64(end-first-min(m.received-h.mark.received, end-first)) > (2*s.medianLoss()+lossyShare)*float64(end-first) {
		h.wellSince = now
	}
	sent, last := s.sentAt[(first-1)%sentTimes], s.sentAt[(end-1)%sentTimes]
	if h.state == attached {
		received, refused := s.arrived(h, m)
		s.ctl.Observe(now, pace.Host(h.id), pace.Sample{
			First: first, End: end,
			Received: received,
			Refused:  refused,
			Marked:   m.marked - min(m.marked, h.mark.marked),
			Sending:  last - sent, Arriving: m.at - h.mark.at, Delay: m.at - last,
		})
	}
	h.mark = m
}

// arrived returns how many packets of those since its last mark a host got, and how many it
// had no room for. It may have none for what others lack, and asks for nothing that it has
// none for: only while the stream goes on does that say that its disk is behind. A rate
// that fell for repairs would make the repairs last, and fall with them to next to nothing.
func (s *Sender) arrived(h *host, m mark) (received, refused uint64) {
	n := m.counter - h.mark.counter
	received = min(m.received-h.mark.received, n)
	refused = min(m.noRoom-min(m.noRoom, h.mark.noRoom), n)
	if s.newData <= h.mark.counter {
		return min(received+refused, n), 0
	}
	return received, refused
}

// serve schedules what an attached host lacks. What a host lacks that is about to
// be detached waits until it is, or does better: it may be everything. One without room
// asks only for what it has room for, and makes room by what completes its segments. What
// one lacks that has heard none of many packets waits: the group is the wrong way to it.
func (s *Sender) serve(h *host, r *wire.Report) {
	counter := h.counter
	if h.isSuspect && h.reason != wire.Behind || !h.isHearing && s.counter-h.joined > minSample || counter < h.from {
		return
	}
	for _, d := range r.Deficits {
		s.want(h, d.Block, int(d.Packets), counter)
	}
	if len(r.Deficits) < wire.MaxDeficits {
		for n := max(r.Next, s.oldest); n < s.nextSend; n++ {
			if b := s.blocks[n]; b != nil && (!b.isSent || b.last > counter) && s.pass == 1 {
				break
			}
			s.want(h, n, s.packetsOf(n), counter)
			if s.active >= maxActive {
				break
			}
		}
	}
}

// packetsOf returns the data packets of a block.
func (s *Sender) packetsOf(n wire.Block) int {
	if s.isEnded {
		return s.cfg.Geometry.Packets(s.size, n)
	}
	return wire.BlockPackets
}

// checkHosts detaches those that hold up the others.
func (s *Sender) checkHosts(now time.Duration) {
	median := s.medianLoss()
	n, suspects := 0, 0
	for _, h := range s.order {
		if h.state == attached && !s.isWhole(h) {
			n++
			if s.suspect(now, h, median); h.isSuspect {
				suspects++
			}
		}
	}
	s.endStalled(now)
	s.takeBack(now)
	isMost := 2*suspects > n // then none is: the sender's side, or the network, is
	passed := now - s.checkedAt
	s.checkedAt = now
	for _, h := range s.order {
		if h.state == attached && h.isSuspect {
			if h.isSuspect = !isMost; isMost {
				h.suspectSince = min(h.suspectSince+passed, now) // that time does not count
			}
			if h.reason == wire.NoMulticast || !isMost && now-h.suspectSince >= detachAfter+s.ctl.Patience(pace.Host(h.id)) {
				s.detach(now, h)
			}
		}
	}
}

// takeBack attaches hosts again, in the main pass, that have done as well as the others
// for a while and lack so little that the others hardly notice. The while doubles each
// time, so that one that comes and goes is left to the next pass.
func (s *Sender) takeBack(now time.Duration) {
	if s.pass != 1 || s.inState[waiting] == 0 {
		return
	}
	well, most := wellTime, s.backBlocks()
	if s.cfg.Mode == wire.Stream { // while what it lacks is in the window
		well, most = detachAfter, uint64(s.cfg.PoolBlocks/4)
	}
	for _, h := range s.order {
		if h.state != waiting || h.detached == 0 {
			continue
		}
		if now-h.heard > detachAfter || !h.hasMark {
			h.wellSince = now
		}
		if now-max(h.since, h.wellSince) < well<<h.returns || s.lacked(h) > most*wire.BlockPackets {
			continue
		}
		h.detached--
		h.returns++
		s.attach(now, h)
		s.oldest = min(s.oldest, h.oldest)
		s.ctl.Add(now, pace.Host(h.id))
	}
}

// attach has the others wait for h again. Whether the group reaches it is seen by what is
// sent from now on.
func (s *Sender) attach(now time.Duration, h *host) {
	s.become(h, attached)
	h.since, h.hasMark, h.joined, h.from = now, false, s.counter, s.counter
	s.tell(Event{Kind: Attached, Host: h.id})
}

// lacked returns how many packets of those that were sent a host lacks, at most.
func (s *Sender) lacked(h *host) uint64 {
	n := uint64(s.nextSend-min(max(h.next, h.oldest), s.nextSend)) * wire.BlockPackets
	for _, d := range h.deficits {
		n += uint64(d.Packets)
	}
	return n
}

// endStalled fails hosts that would keep the session up by doing nothing.
func (s *Sender) endStalled(now time.Duration) {
	for _, h := range s.order {
		limit := stallLimit
		if s.isWhole(h) {
			limit = syncLimit
		}
		if (h.state == attached || h.state == alone) && now-max(h.since, h.gotAt) > limit {
			s.fail(h, wire.Behind)
		}
	}
}

// suspect notes whether the others would wait for h, since when, and why.
func (s *Sender) suspect(now time.Duration, h *host, median float64) {
	id := pace.Host(h.id)
	lag := s.ctl.Lagging(now, id)
	isLossy := s.ctl.LastLoss(id) > 2*median+lossyShare
	if s.cfg.Slow == Wait { // but for one that gets less than the least rate
		isLossy = false
		if lag > 0 && now-h.heard > detachAfter {
			lag = 0
		}
	}
	h.isSuspect, h.reason = true, 0
	switch {
	case h.mark.counter == 0 && s.lastAt > h.deafSince() && now-h.deafSince() > deafAfter && now-h.heard < deafAfter:
		h.reason, h.suspectSince = wire.NoMulticast, h.deafSince()
		return
	case lag > 0 && now-h.heard > detachAfter:
		h.reason = wire.Silent
	case lag > 0 && h.mark.counter > 0:
		h.reason = wire.Slow
		if s.ctl.IsRefusing(now, id) {
			h.reason = wire.Behind
		}
	case isLossy:
		h.reason = wire.Lossy
	case lag > 0: // nothing has reached it yet, and may until deafAfter
		h.suspectSince = now
	default:
		h.isSuspect, h.suspectSince = false, 0
		return
	}
	if h.suspectSince == 0 {
		h.suspectSince = max(now-lag, 1)
	}
}

// deafSince is since when a host that has told of no packet could have.
func (h *host) deafSince() time.Duration { return max(h.since, h.talks) }

func (s *Sender) detach(now time.Duration, h *host) {
	h.detached++
	h.since, h.isSuspect, h.suspectSince = now, false, 0
	s.leaveGroup(h)
	switch {
	case s.cfg.Slow == Drop:
		s.fail(h, h.reason)
	case h.reason == wire.NoMulticast || h.detached >= maxPasses:
		s.serveAlone(now, h, h.reason)
	default:
		s.become(h, waiting)
		s.tell(Event{Kind: Detached, Host: h.id, Reason: h.reason})
	}
	s.check(now)
}

// lossRates returns the mean and the greatest loss of the attached hosts.
func (s *Sender) lossRates() (mean, worst float64) {
	n := 0
	for _, h := range s.order {
		if h.state == attached {
			p := s.ctl.Loss(pace.Host(h.id))
			mean += p
			worst = max(worst, p)
			n++
		}
	}
	return mean / float64(max(n, 1)), worst
}

// medianLoss returns what the median of the attached hosts loses: by itself, or now,
// if a full link makes all of them lose more.
func (s *Sender) medianLoss() float64 {
	return max(s.median((*pace.Controller).Loss), s.median((*pace.Controller).LastLoss))
}

func (s *Sender) median(of func(*pace.Controller, pace.Host) float64) float64 {
	s.losses = s.losses[:0]
	for _, h := range s.order {
		if h.state == attached {
			s.losses = append(s.losses, of(s.ctl, pace.Host(h.id)))
		}
	}
	if len(s.losses) == 0 {
		return 0
	}
	slices.Sort(s.losses)
	return s.losses[(len(s.losses)-1)/2]
}
