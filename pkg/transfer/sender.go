package transfer

import (
	"cmp"
	"slices"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A HostID names a receiver to its Sender. IDs are the caller's, small and never
// used twice in a session.
type HostID uint32

// A SlowPolicy says what becomes of a host that the others would wait for.
type SlowPolicy uint8

// The policies.
const (
	// Detach serves it after the main pass.
	Detach SlowPolicy = iota
	// Wait lets the others wait for it, but not for one that gets less than the
	// least rate.
	Wait
	// Drop fails it.
	Drop
)

// A SenderConfig is what a Sender needs to know. The zero value of the last
// fields stands for the default.
type SenderConfig struct {
	Geometry wire.Geometry
	// Mode says whether blocks can be read again.
	Mode wire.Mode
	// Size is the stream's size in bytes; in Stream mode it is told by End.
	Size uint64
	// Receivers is how many are expected: the report interval follows from it.
	Receivers int
	// PoolBlocks is how many blocks may be in memory at once: those asked for by
	// NextRead and not yet told as released. PoolBytes over a block's size if zero.
	PoolBlocks int
	// MaxRate caps the rate.
	MaxRate pace.Rate
	// Initial is where the search for the rate begins.
	Initial pace.Rate
	// Slow is what becomes of slow hosts.
	Slow SlowPolicy
	// MinRate is the least rate: a host that gets less, while the median host gets
	// as much, counts as slow.
	MinRate pace.Rate
	// Quorum is how many hosts it takes to go on (none if zero); see HasQuorum.
	Quorum int
}

// A Sender decides which packet leaves when, from what the hosts report. It holds
// no bytes: a caller reads, encodes and sends what it names. See the package's
// comment for the calls. Not safe for concurrent use.
type Sender struct {
	cfg      SenderConfig
	interval time.Duration
	ctl      *pace.Controller
	bucket   pace.Bucket
	paced    pace.Rate // of bucket
	events   []Event

	hosts map[HostID]*host
	order []*host // in the order of joining: maps have none
	// inState counts the hosts of each state, owing the packets owed to them.
	inState [out + 1]int
	owing   uint64
	pass    int // 0 before Start, 1 the main pass, then the detached
	// finished is set once, when each host is done or out.
	finished bool
	away     int // hosts that may come back; see Away

	counter uint64 // of the next packet
	sentAt  []time.Duration
	lastAt  time.Duration // when the last packet left
	lastID  wire.PacketID
	flushes int // packets since that said nothing new

	blocks   map[wire.Block]*block // not yet complete everywhere in this pass
	rowsSent []uint8               // per block, over all passes
	total    wire.Block            // valid if isEnded or Mode is File
	size     uint64
	isEnded  bool // the size is known
	nextRead wire.Block
	nextSend wire.Block          // first block that was never begun
	oldest   wire.Block          // all attached hosts hold the blocks before it
	window   wire.Block          // in Stream mode: the first block in memory; <= oldest
	inMemory int                 // blocks loaded, or asked for and not yet ready
	asked    map[wire.Block]bool // of these, reads under way
	wanted   []*block            // to be read again, for repair
	loaded   []*block            // in memory, in the order of reading; some no longer

	group     []*block // interleaved; all in memory
	groupTurn int
	groupIdx  int
	newData   uint64 // one past the counter of the last packet sent for the first time

	repairs    []*block // with packets to send again, round robin
	repairTurn int
	active     int      // blocks in repairs
	planned    []*block // with maps that are being collected

	losses       []float64 // scratch
	unicast      pace.Bucket
	hasUnicast   bool
	unicastTurn  int
	lastTick     time.Duration
	checkedAt    time.Duration // the hosts, last
	lastProgress time.Duration
	isHeard      bool // some host has told of a packet of the group
}

// NewSender returns a sender that waits for its hosts and for Start.
func NewSender(cfg SenderConfig) *Sender {
	cfg.PoolBlocks = cmp.Or(cfg.PoolBlocks, PoolBytes/cfg.Geometry.BlockSize())
	s := &Sender{
		cfg: cfg, interval: wire.ReportInterval(max(cfg.Receivers, 1)),
		hosts: make(map[HostID]*host), blocks: make(map[wire.Block]*block), asked: make(map[wire.Block]bool),
		sentAt: make([]time.Duration, sentTimes),
	}
	if cfg.Mode == wire.File {
		s.setSize(cfg.Size)
	}
	s.newController(0)
	return s
}

// newController begins a search for the rate of the attached hosts.
func (s *Sender) newController(now time.Duration) {
	s.ctl = pace.New(pace.Config{
		Frame: s.frame(), Interval: s.interval, First: s.counter,
		Initial: s.cfg.Initial, Max: s.cfg.MaxRate, MinHost: s.cfg.MinRate, All: s.cfg.Slow == Wait,
	})
	s.bucket = pace.NewBucket(s.frame(), s.ctl.Rate())
	s.paced = s.ctl.Rate()
	s.bucket.SetRate(now, s.paced)
	for _, h := range s.order {
		if h.state == attached && !s.isWhole(h) {
			s.ctl.Add(now, pace.Host(h.id))
			h.hasMark = false
		}
	}
}

// frame returns the bytes of a packet on the wire.
func (s *Sender) frame() int { return int(s.cfg.Geometry.Payload) + wire.FrameOverhead }

func (s *Sender) setSize(size uint64) {
	s.size, s.total, s.isEnded = size, s.cfg.Geometry.Blocks(size), true
	s.rowsSent = slices.Grow(s.rowsSent, int(s.total))
}

// Interval returns the report interval, for the hosts' WELCOME.
func (s *Sender) Interval() time.Duration { return s.interval }

// Rate returns the rate at which packets leave now.
func (s *Sender) Rate() pace.Rate { return s.ctl.Rate() }

// IsSearching reports whether the rate is still being found.
func (s *Sender) IsSearching() bool { return s.ctl.Starting() }

// State returns the name of what is done about the rate, for logs.
func (s *Sender) State() string { return s.ctl.State() }

// Start begins to send, to the hosts that have joined. Others may join later.
func (s *Sender) Start(now time.Duration) {
	s.pass = 1
	s.lastProgress = now
	for _, h := range s.order {
		h.since = now
	}
	s.newController(now)
	s.check(now)
}

// Finished reports whether every host is done or out and nothing is left to do.
// At least one host has to have joined, and Start to have been called.
func (s *Sender) Finished() bool { return s.finished }

// HasQuorum reports whether as many hosts as it takes are still served, or have
// everything.
func (s *Sender) HasQuorum() bool {
	return s.inState[attached]+s.inState[waiting]+s.inState[alone]+s.inState[completed]+s.away >= s.cfg.Quorum
}

// End tells the size of the stream, once the source has been read whole. In File
// mode it is known from the start.
func (s *Sender) End(now time.Duration, size uint64) {
	s.setSize(size)
	s.check(now)
}

// Tick lets time pass. It returns when the sender wants to be ticked again, at
// the latest; a report may come first.
func (s *Sender) Tick(now time.Duration) time.Duration {
	if s.pass == 0 || s.finished {
		return now + time.Second
	}
	s.ctl.Tick(now, s.counter)
	if r := s.ctl.Rate(); r != s.paced { // also since a host that held it is gone
		s.paced = r
		s.bucket.SetRate(now, r)
	}
	if now-s.lastTick >= tickTime {
		s.lastTick = now
		s.checkHosts(now)
		s.planRepairs(now)
		s.check(now)
	}
	return now + tickTime
}

// Sealed tells the sender of a packet with a counter that NextPacket did not
// name: a canary.
func (s *Sender) Sealed(now time.Duration) { s.stamp(now, now) }

// stamp notes the time of the next counter's packet, which leaves now, and returns
// that counter.
func (s *Sender) stamp(now, slot time.Duration) uint64 {
	c := s.counter
	s.sentAt[c%sentTimes] = slot
	s.counter++
	s.lastAt = now
	return c
}

// Left tells that the last n packets did not leave before a moment. A thread that gets
// no core, or whose kernel delivers to many hosts in the call that sends, is behind what
// the bucket says: to the hosts' times that would look like a queue in the network. They
// may have left a little later still: a time after their arriving would have all others
// seem to queue for as long as the least delay is believed.
func (s *Sender) Left(n int, from time.Duration) {
	for i := range uint64(n) {
		at := &s.sentAt[(s.counter-1-i)%sentTimes]
		*at = max(*at, from)
	}
}

// Counter returns the counter that the next packet has to get.
func (s *Sender) Counter() uint64 { return s.counter }

// NextPacket names the packet that leaves now, if ok: its bytes are in memory,
// and it is sealed with the counter that follows the last one. Otherwise wait is
// when to ask again, unless a report or a block comes first. It allocates nothing.
func (s *Sender) NextPacket(now time.Duration) (id wire.PacketID, ok bool, wait time.Duration) {
	if s.pass == 0 || s.finished || !s.hasPacket(now) {
		return wire.PacketID{}, false, tickTime
	}
	if wait := s.bucket.Take(now); wait > 0 {
		return wire.PacketID{}, false, wait
	}
	c := s.stamp(now, s.bucket.Slot())
	id, ok = s.nextRepair(c)
	switch {
	case ok:
	case len(s.group) > 0:
		id = s.nextData(c)
	default:
		s.flushes++
		return s.lastID, true, 0
	}
	s.lastID, s.flushes = id, 0
	return id, true, 0
}

// Held tells which blocks a host holds already, from its RESUME. What all the
// attached hold is not sent.
func (s *Sender) Held(id HostID, held rangeset.Set) {
	if h := s.hosts[id]; h != nil {
		h.held = held
	}
}
