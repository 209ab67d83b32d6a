package sim

import (
	"math/rand/v2"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// What is noted in the history.
const (
	eventSent = iota + 1
	eventReport
	eventDone
	eventCore
)

// A session is a run.
type session struct {
	cfg      Config
	clock    clock
	core     *transfer.Sender
	geometry wire.Geometry
	interval time.Duration
	uplink   port
	shared   dice
	ports    []*port
	hosts    []*host
	result   *Result
	source   *source

	started  bool
	wakeAt   time.Duration // of the earliest drive that is due
	wakeSeq  int
	readFrom time.Duration // the source's next byte is there
	isRead   bool
	aloneDue time.Duration
	flows    []*tcp
	sent     map[wire.PacketID]bool
	recent   []time.Duration // reports of the last 100 ms
}

// Run runs a session.
func Run(cfg Config) *Result {
	s := newSession(cfg)
	for _, h := range s.hosts {
		s.clock.at(max(h.JoinAt, cfg.StartAt), func() { s.join(h) })
		if h.LeaveAt > 0 {
			s.clock.at(h.LeaveAt, func() { s.leave(h) })
		}
		if h.StopAt > 0 && h.ContinueAt == 0 || h.ContinueAt-h.StopAt > wire.SilenceLimit {
			s.clock.at(h.StopAt+wire.SilenceLimit, func() { s.leave(h) })
		}
	}
	s.clock.at(cfg.StartAt, s.start)
	s.clock.at(s.pollTime(), s.poll)
	if cfg.TraceEvery > 0 {
		s.clock.at(0, s.trace)
	}
	s.clock.run(s.cfg.Limit, func() bool { return s.result.Finished || s.result.NoQuorum })
	s.result.Time = s.clock.now
	for _, h := range s.hosts {
		if h.core != nil {
			h.result.Counters = h.core.Counters()
		}
		if h.copy != nil && h.isDone && !h.copy.isWhole() {
			s.result.BadCopies++
		}
	}
	return s.result
}

func newSession(cfg Config) *session {
	if cfg.Mode == 0 {
		cfg.Mode = wire.File
	}
	if cfg.Control == 0 {
		cfg.Control = 200 * time.Microsecond
	}
	if cfg.Limit == 0 {
		cfg.Limit = 10 * time.Minute
	}
	s := &session{cfg: cfg, geometry: wire.Geometry{Payload: wire.DefaultPayload}, sent: make(map[wire.PacketID]bool)}
	s.result = &Result{Hosts: make([]HostResult, len(cfg.Hosts)), Hash: 14695981039346656037}
	for b := range s.geometry.Blocks(cfg.Size) {
		s.result.Payload += s.geometry.Packets(cfg.Size, b)
	}
	s.uplink = port{Port: Port{Rate: cfg.Uplink}, frame: s.frame()}
	s.shared = newDice(cfg.Shared, cfg.Seed, 1)
	if cfg.Bytes {
		s.source = newSource(cfg.Seed, cfg.Size, s.geometry)
	}
	size := cfg.Size
	if cfg.Mode == wire.Stream {
		size = 0
	}
	s.core = transfer.NewSender(transfer.SenderConfig{
		Geometry: s.geometry, Mode: cfg.Mode, Size: size, Receivers: len(cfg.Hosts),
		PoolBlocks: cfg.PoolSize, MaxRate: cfg.MaxRate, Slow: cfg.Slow, MinRate: cfg.MinRate, Quorum: cfg.Quorum,
	})
	s.interval = s.core.Interval()
	s.plug()
	return s
}

// plug connects the hosts to their ports.
func (s *session) plug() {
	common := &port{Port: s.cfg.Port.withDefaults(), frame: s.frame()}
	for i, c := range s.cfg.Hosts {
		h := &host{Host: c, id: transfer.HostID(i), s: s, result: &s.result.Hosts[i], port: common}
		h.isPlain = c.Duplicate == 0 && c.Reorder == 0 && !c.Filtered && c.JoinAt == 0 && c.StopAt == 0 && c.LeaveAt == 0
		h.dice = newDice(c.Faults, s.cfg.Seed, uint64(i)+1000)
		if c.OwnPort != nil {
			h.port = &port{Port: c.OwnPort.withDefaults(), frame: s.frame()}
			s.ports = append(s.ports, h.port)
		}
		h.port.hosts = append(h.port.hosts, h)
		s.hosts = append(s.hosts, h)
	}
	if len(common.hosts) > 0 {
		s.ports = append(s.ports, common)
		for _, f := range s.cfg.Flows {
			s.startFlow(common, f)
		}
	}
}

func (s *session) frame() int { return int(s.geometry.Payload) + wire.FrameOverhead }

// join makes a host READY.
func (s *session) join(h *host) {
	if h.isOut {
		return
	}
	size := s.cfg.Size
	if s.cfg.Mode == wire.Stream {
		size = 0
	}
	h.core = transfer.NewReceiver(s.clock.now, transfer.ReceiverConfig{
		Geometry: s.geometry, Mode: s.cfg.Mode, Size: size, Interval: s.interval,
		Phase: rand.New(rand.NewPCG(s.cfg.Seed, uint64(h.id)+1<<32)).Float64(), PoolSegments: h.Pool,
	})
	if s.isRead {
		h.core.End(s.cfg.Size)
	}
	if s.source != nil {
		h.copy = newHostCopy(s.source)
	}
	h.taken = len(h.port.log)
	s.core.Join(s.clock.now, h.id, s.hold(h))
	if h.core.Finished() {
		h.finish(s.clock.now)
	}
	s.clock.at(h.core.NextReport(), h.report)
	s.drive()
}

// hold gives a host what it held before the session, and returns the blocks.
func (s *session) hold(h *host) (held rangeset.Set) {
	n := uint32(h.Holds * float64(s.geometry.Segments(s.cfg.Size)))
	for seg := range n {
		if h.Gaps > 0 && seg%h.Gaps == h.Gaps-1 {
			continue
		}
		held.Add(uint64(seg)*wire.SegmentBlocks, uint64(seg+1)*wire.SegmentBlocks)
		h.core.SegmentVerified(seg)
		if h.copy != nil {
			h.copy.hold(seg)
		}
	}
	return held
}

func (s *session) leave(h *host) {
	if h.isDone || h.isOut {
		return
	}
	h.isOut = true
	h.result.IsFailed = true
	s.core.Leave(s.clock.now, h.id)
	s.drive()
}

func (s *session) start() {
	s.started = true
	s.core.Start(s.clock.now)
	s.drive()
}

// pollTime is how often hosts take what has arrived, beside their reports: packets
// carry the time of their arrival. Many hosts do it rarely, since each of them has
// to come back into the processor's cache.
func (s *session) pollTime() time.Duration {
	if len(s.hosts) > 100 {
		return 10 * time.Millisecond
	}
	return 2 * time.Millisecond
}

func (s *session) poll() {
	for _, p := range s.ports {
		p.poll(s.clock.now)
	}
	s.clock.at(s.clock.now+s.pollTime(), s.poll)
}

func (s *session) trace() {
	flows := 0
	for _, f := range s.flows {
		flows += f.sent
	}
	s.result.Trace = append(s.result.Trace, Point{s.clock.now, s.core.Rate(), s.result.Sent, s.result.Dropped, flows, s.core.State()})
	s.clock.at(s.clock.now+s.cfg.TraceEvery, s.trace)
}

// feed gives the sender what a host reported.
func (s *session) feed(h *host, m feedback) {
	now := s.clock.now
	if h.isOut {
		return
	}
	s.countReport(now)
	for i := range m.reports {
		s.note(eventReport, uint64(now), m.reports[i].Counter)
		s.core.Report(now, h.id, &m.reports[i])
	}
	for _, k := range m.maps {
		s.result.Maps++
		s.core.Map(now, h.id, k)
	}
	s.core.Tick(now)
	s.drive()
}

func (s *session) countReport(now time.Duration) {
	s.result.Reports++
	s.recent = append(s.recent, now)
	for s.recent[0] <= now-100*time.Millisecond {
		s.recent = s.recent[1:]
	}
	s.result.MaxReports = max(s.result.MaxReports, len(s.recent))
}

// drive does what the sender's loop does when something has happened.
func (s *session) drive() {
	if !s.started {
		return
	}
	now := s.clock.now
	next := s.core.Tick(now)
	s.listen()
	s.read(now)
	for {
		s.listen()
		id, ok, wait := s.core.NextPacket(now)
		if !ok {
			next = min(next, now+wait)
			break
		}
		s.send(now, id)
		s.read(now)
	}
	next = min(next, s.serveAlone(now))
	if s.result.FoundAt == 0 && !s.core.IsSearching() {
		s.result.FoundAt = now
	}
	s.result.Finished, s.result.NoQuorum = s.core.Finished(), !s.core.HasQuorum()
	s.wake(max(next, now+time.Microsecond))
}

// wake drives the sender at a time, unless that happens before.
func (s *session) wake(at time.Duration) {
	if s.wakeAt > s.clock.now && s.wakeAt <= at {
		return
	}
	s.wakeAt = at
	s.wakeSeq++
	seq := s.wakeSeq
	s.clock.at(at, func() {
		if seq == s.wakeSeq {
			s.wakeAt = 0
			s.drive()
		}
	})
}

// listen acts on the sender's events.
func (s *session) listen() {
	for _, e := range s.core.Events() {
		s.note(eventCore, uint64(e.Kind)<<32|uint64(e.Host), uint64(e.Block))
		switch e.Kind {
		case transfer.Released:
			if s.source != nil {
				s.source.release(e.Block)
			}
		case transfer.Detached:
			r := &s.result.Hosts[e.Host]
			r.Detached++
			r.Reason = e.Reason
		case transfer.Attached:
			s.result.Hosts[e.Host].Attached++
		case transfer.Alone:
			s.tellAlone(s.hosts[e.Host], e.Reason)
		case transfer.Failed:
			r := &s.result.Hosts[e.Host]
			r.IsFailed, r.Reason = true, e.Reason
			s.hosts[e.Host].isOut = true
		}
	}
}

func (s *session) tellAlone(h *host, r wire.Reason) {
	h.result.IsAlone, h.result.Reason = true, r
	s.clock.at(s.clock.now+s.cfg.Control, func() {
		if h.core != nil && !h.isOut {
			h.core.Alone()
			h.fetch()
		}
	})
}

// read answers the sender's wish for blocks.
func (s *session) read(now time.Duration) {
	for {
		if s.cfg.Source > 0 && now < s.readFrom {
			return
		}
		n, ok := s.core.NextRead()
		if !ok {
			return
		}
		total := s.geometry.Blocks(s.cfg.Size)
		if n >= total {
			s.core.Unread(n)
			s.ended(now)
			return
		}
		if s.source != nil {
			s.source.load(n)
		}
		if s.cfg.Source > 0 {
			s.readFrom = now + s.cfg.Source.Time(float64(s.geometry.BlockSize()))
		}
		s.core.BlockReady(now, n, s.geometry.Packets(s.cfg.Size, n))
		if n+1 == total {
			s.ended(now)
		}
	}
}

// ended tells all of the stream's size.
func (s *session) ended(now time.Duration) {
	if s.isRead {
		return
	}
	s.isRead = true
	if s.cfg.Mode != wire.Stream {
		return
	}
	s.core.End(now, s.cfg.Size)
	for _, h := range s.hosts {
		s.clock.at(now+s.cfg.Control, func() {
			if h.core != nil {
				h.end(s.clock.now)
			}
		})
	}
}

// send puts a packet on the way to the hosts.
func (s *session) send(now time.Duration, id wire.PacketID) {
	counter := s.core.Counter() - 1
	s.note(eventSent, uint64(now), id.Number()<<8|uint64(id.Index))
	s.result.Sent++
	if !id.Index.IsParity() {
		if s.sent[id] {
			s.result.Again++
		}
		s.sent[id] = true
	}
	count := s.geometry.Packets(s.cfg.Size, id.Block)
	k := packet{header: wire.Header{Count: uint8(count), Counter: counter, Block: id.Block, Index: id.Index}}
	if id.Index.IsParity() {
		s.result.Rows++
	}
	if s.source != nil {
		k.payload = s.source.packet(id)
	}
	at := now
	if s.cfg.Uplink > 0 {
		at = s.uplink.occupy(now)
	}
	if s.shared.loses(at) {
		return
	}
	at = s.shared.stalls(at)
	for _, p := range s.ports {
		if !p.enter(at, k) {
			s.result.Dropped++
			s.result.LastDrop = now
		}
	}
}

// serveAlone sends one-to-one repairs, as far as the hosts' ports take them: TCP
// fills a port but does not lose much there.
func (s *session) serveAlone(now time.Duration) (next time.Duration) {
	if now < s.aloneDue {
		return s.aloneDue
	}
	for {
		to, id, ok, wait := s.core.NextRepair(now)
		if !ok {
			return now + wait
		}
		h := s.hosts[to]
		s.result.Repairs++
		at := h.port.occupy(now)
		s.clock.at(at, func() { h.repair(id) })
		if h.port.backlog(now) > float64(h.port.Queue/2) {
			s.aloneDue = now + h.port.Rate.Time(float64(h.port.Queue/4))
			return s.aloneDue
		}
	}
}

// note adds to the history.
func (s *session) note(kind int, a, b uint64) {
	const prime = 1099511628211
	for _, x := range [...]uint64{uint64(kind), a, b} {
		s.result.Hash = (s.result.Hash ^ x) * prime
		s.result.Hash ^= s.result.Hash >> 29
	}
}
