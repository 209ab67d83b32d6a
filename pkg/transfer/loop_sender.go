package transfer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// Defaults of SendConfig.
const (
	DefaultPort        = 18384
	DefaultJoinTimeout = 60 * time.Second
)

// DefaultGroup returns the group that is used when none is named: of the
// organisation-local scope (RFC 2365).
func DefaultGroup() netip.Addr { return netip.AddrFrom4([4]byte{239, 192, 77, 1}) }

// ErrNobody is returned when no receiver joined in time.
var ErrNobody = errors.New("transfer: no receiver joined")

// ErrQuorum is returned when fewer receivers than the quorum joined, or are left.
var ErrQuorum = errors.New("transfer: fewer receivers than the quorum")

// A SendConfig says how to send. LocalIP, Identity and either Hosts or Secret
// with Receivers must be set.
type SendConfig struct {
	LocalIP netip.Addr
	// Group is where packets go (default DefaultGroup and DefaultPort).
	Group netip.AddrPort
	TTL   int // hops (default 1: this network only)
	DSCP  int // 0 to 63

	Identity *Identity
	// Hosts names the receivers by their pins.
	Hosts map[Pin]string
	// Secret, when Hosts is empty, is what receivers prove; Receivers is how many
	// are expected.
	Secret    Secret
	Receivers int

	// JoinTimeout is how long all have to join, before those are served that
	// have (default DefaultJoinTimeout).
	JoinTimeout time.Duration
	MaxRate     pace.Rate // 0: no bound
	Slow        SlowPolicy
	// MinRate is the least rate that a host has to take, while the median host takes
	// as much: one that does not counts as slow (0: no bound).
	MinRate pace.Rate
	// Quorum is how many receivers it takes to begin, once JoinTimeout is over, and
	// to go on: with less the session ends with ErrQuorum (0: one).
	Quorum int

	Memory int // bytes of buffers (default PoolBytes)

	Log *slog.Logger // nil: none
	// Progress, when set, is told now and then how many bytes of the stream all
	// attached receivers hold, or were sent.
	Progress func(done int64)

	testOnlyWriter  func(packetWriter) packetWriter
	testOnlyWelcome func(wire.Welcome)
}

// A HostResult is what became of one receiver.
type HostResult struct {
	Name string     // from SendConfig.Hosts, or its address
	Addr netip.Addr // not valid if it never joined
	Done bool       // whether it has the whole stream, verified
	// Reason and Text tell why not; Detached why the others did not wait for it.
	Reason   wire.Reason
	Text     string
	Detached wire.Reason
	Counters wire.Counters // from its last report
}

// A SendResult is what became of all.
type SendResult struct {
	Hosts    []HostResult
	Size     int64  // bytes of the stream; those sent of one that was broken off
	Packets  uint64 // sent to the group
	Parity   uint64 // of these, parity rows
	Repeated uint64 // of these, data packets sent before
	Repairs  uint64 // data packets sent to single hosts
	Unsent   uint64 // datagrams that this host did not let out
	Rate     pace.Rate
	Elapsed  time.Duration // since the first packet
}

// Done returns how many receivers have the whole stream.
func (r SendResult) Done() (n int) {
	for _, h := range r.Hosts {
		if h.Done {
			n++
		}
	}
	return n
}

// A packetWriter is the socket that packets leave by.
type packetWriter interface {
	SendRun(run []byte, size int) error
	SetSegment(use bool)
	Unsent() uint64
	Close() error
}

// A sending is the state of one session's sender. The goroutine of run owns all of
// it; others hand it work by post.
type sending struct {
	cfg   SendConfig
	src   Source
	g     wire.Geometry
	clock clock
	log   *slog.Logger
	core  *Sender
	inbox chan func()
	quit  chan struct{} // closed at the end: post fails

	welcome wire.Welcome
	sealer  *wire.Sealer
	tx      packetWriter
	run     []byte // datagrams back to back
	inRun   int

	pool    *blockPool
	asked   chan wire.Block // closed at the end
	survey  chan struct{}   // has the source read for its digests
	blocks  map[wire.Block]*blockBuffer
	rows    *rowCache
	digests []wire.Digest
	flushed int // digests that all peers were told
	flushAt time.Duration
	end     *wire.End
	repairs chan repairJob // closed at the end

	peers   []*peer // in the order of joining
	byID    map[HostID]*peer
	waiting []*conn // for the place of a peer in doubt: no more than there are
	isBegun bool
	// isReading says that the source is read, and the packets' size is settled; work are
	// the goroutines that do.
	isReading bool
	work      sync.WaitGroup
	joinBy    time.Duration
	canaries  canaries
	beatAt    time.Duration
	showAt    time.Duration
	dataSent  uint64
	sentTo    wire.Block // one past the highest block begun
	fatal     error
	result    SendResult
	began     time.Duration
	wg        sync.WaitGroup
}

// Send sends src to all receivers and returns when each has it or is given up. It
// takes control connections from ln, which it closes. The error is of this side:
// the source, the sockets, or nobody to send to.
func Send(ctx context.Context, cfg SendConfig, ln net.Listener, src Source) (SendResult, error) {
	s, err := newSending(cfg, src)
	if err != nil {
		ln.Close()
		return SendResult{}, err
	}
	admit := func(Pin) bool { return true }
	secret := cfg.Secret[:]
	if len(cfg.Hosts) > 0 {
		admit = func(p Pin) bool { _, ok := cfg.Hosts[p]; return ok }
		secret = nil
	}
	door := newDoor(ln, senderTLS(cfg.Identity, admit), secret, s.expected(), s.log,
		func(c *conn) { s.enter(c) })
	var doors sync.WaitGroup
	doors.Go(func() { _ = door.run(ctx) })
	if !src.isStream() && src.Size == 0 {
		s.startReading() // its end is all there is
	}
	err = s.loop(ctx)
	s.sum(s.clock.now())
	close(s.quit)
	door.close()
	doors.Wait()
	s.part(err)
	close(s.asked)
	close(s.repairs)
	s.wg.Wait()
	s.result.Unsent = s.tx.Unsent()
	s.tx.Close()
	if s.src.isStream() {
		go s.work.Wait() // a read of standard input cannot be ended
	} else {
		s.work.Wait()
	}
	return s.result, err
}

func newSending(cfg SendConfig, src Source) (*sending, error) {
	cfg.Group = orGroup(cfg.Group)
	cfg.TTL = cmp.Or(cfg.TTL, 1)
	cfg.JoinTimeout = cmp.Or(cfg.JoinTimeout, DefaultJoinTimeout)
	cfg.Memory = cmp.Or(cfg.Memory, PoolBytes)
	ifi, err := multicast.InterfaceOf(cfg.LocalIP)
	if err != nil {
		return nil, err
	}
	s := &sending{
		cfg: cfg, src: src, clock: newClock(), log: orDiscard(cfg.Log),
		inbox: make(chan func(), 256), quit: make(chan struct{}),
		blocks: make(map[wire.Block]*blockBuffer), byID: make(map[HostID]*peer),
		repairs: make(chan repairJob, repairJobs), survey: make(chan struct{}, 1),
	}
	if s.expected() < 1 {
		return nil, errors.New("transfer: nobody to send to")
	}
	if err := CheckFiles(s.expected()); err != nil {
		return nil, err
	}
	s.cut(payloadFor(ifi.MTU))
	if uint64(src.Size) > s.g.MaxSize() {
		return nil, fmt.Errorf("transfer: %d bytes are more than a session carries, %d", src.Size, s.g.MaxSize())
	}
	if err := s.openSocket(); err != nil {
		return nil, err
	}
	return s, s.newSession()
}

// newSession makes the session's keys and its WELCOME.
func (s *sending) newSession() (err error) {
	w := &s.welcome
	w.Version, w.Group, w.Mode, w.ReportInterval = wire.Version, s.cfg.Group, s.mode(), s.core.Interval()
	if w.Mode == wire.File {
		w.Size = uint64(s.src.Size)
	}
	if _, err := rand.Read(w.Key[:]); err != nil {
		return fmt.Errorf("making the session's key: %w", err)
	}
	if _, err := rand.Read(w.Session[:]); err != nil {
		return fmt.Errorf("making the session's id: %w", err)
	}
	if s.cfg.testOnlyWelcome != nil {
		s.cfg.testOnlyWelcome(*w)
	}
	s.sealer, err = wire.NewSealer(w.Key, w.Session)
	return err
}

func (s *sending) openSocket() error {
	ifi, err := multicast.InterfaceOf(s.cfg.LocalIP)
	if err != nil {
		return err
	}
	tx, err := multicast.Dial(multicast.SenderConfig{
		Group: s.cfg.Group, Interface: ifi, Local: s.cfg.LocalIP, TTL: s.cfg.TTL, DSCP: s.cfg.DSCP, ECN: true,
	})
	if err != nil {
		return err
	}
	s.tx = tx
	if s.cfg.testOnlyWriter != nil {
		s.tx = s.cfg.testOnlyWriter(tx)
	}
	s.tx.SetSegment(false)
	return nil
}

func (s *sending) datagram() int { return int(s.g.Payload) + wire.Overhead }

func (s *sending) expected() int {
	if len(s.cfg.Hosts) > 0 {
		return len(s.cfg.Hosts)
	}
	return s.cfg.Receivers
}

// post has the loop run f. It waits while the loop has much to do, and reports
// whether it still runs.
func (s *sending) post(f func()) bool {
	select {
	case s.inbox <- f:
		return true
	case <-s.quit:
		return false
	}
}

// loop sends until all is done. A thread of its own, because of its sleeps.
func (s *sending) loop(ctx context.Context) error {
	defer lockThread()()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	s.joinBy = s.clock.now() + s.cfg.JoinTimeout
	for {
		s.takeWork()
		wait := s.turn()
		switch {
		case s.fatal != nil:
			return s.fatal
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.isBegun && !s.core.HasQuorum():
			return fmt.Errorf("%w of %d are left", ErrQuorum, s.cfg.Quorum)
		case s.isBegun && s.core.Finished():
			return nil
		}
		if wait <= napLimit {
			s.clock.nap(wait)
			continue
		}
		timer.Reset(wait)
		select {
		case f := <-s.inbox:
			f()
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// takeWork runs what was posted, as much as was there.
func (s *sending) takeWork() {
	for range len(s.inbox) {
		(<-s.inbox)()
	}
	s.seat()
}

// turn does what is due and returns how long nothing is from then on: sending takes time
// as well, in which packets fall due.
func (s *sending) turn() time.Duration {
	now := s.clock.now()
	wait := s.step(now)
	return wait - (s.clock.now() - now)
}

// step does what is due at now and returns how long after now nothing is.
func (s *sending) step(now time.Duration) time.Duration {
	if !s.isBegun {
		wait := s.prepare(now)
		if !s.isBegun {
			return wait
		}
	}
	next := s.core.Tick(now)
	s.ask()
	s.act()
	wait := min(s.sendPackets(now), next-now)
	if s.fatal == nil {
		s.act()
		wait = min(wait, s.sendRepairs(now))
	}
	s.tell(now)
	return wait
}

// sum sums up after the end.
func (s *sending) sum(now time.Duration) {
	s.act()
	s.result.Rate = s.core.Rate()
	if s.began > 0 {
		s.result.Elapsed = now - s.began
	}
	s.result.Size = s.sentBytes()
	if s.end != nil {
		s.result.Size = int64(s.end.Size)
		once := (s.end.Size + uint64(s.g.Payload) - 1) / uint64(s.g.Payload)
		s.result.Repeated = s.dataSent - min(s.dataSent, once)
	}
}

func orGroup(g netip.AddrPort) netip.AddrPort {
	addr, port := g.Addr(), g.Port()
	if !addr.IsValid() {
		addr = DefaultGroup()
	}
	return netip.AddrPortFrom(addr, cmp.Or(port, DefaultPort))
}

func orDiscard(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
