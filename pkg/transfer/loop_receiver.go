package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// DefaultReceiveBuffer is what is asked for the socket: 25 ms at 10 Gb/s. The
// kernel gives less where net.core.rmem_max is less.
const DefaultReceiveBuffer = 32 << 20

const (
	// connectEvery is the time between two attempts to reach the sender, which
	// may not have started yet.
	connectEvery = 250 * time.Millisecond
	// maxRefusals is how often a receiver tries again that was refused without a
	// word: the sender may have been crowded.
	maxRefusals = 3
)

// ErrSilent says that the sender was not heard for wire.SilenceLimit.
var ErrSilent = errors.New("transfer: the sender is silent")

// ErrRoot says that what the sender told does not go together: the digests do not make
// the root, or what it sent over the connection does not have its digest.
var ErrRoot = errors.New("transfer: the stream is not what the sender read")

// A ReceiveConfig says how to receive. LocalIP, Sender, Pin and Identity must be
// set.
type ReceiveConfig struct {
	LocalIP  netip.Addr
	Sender   netip.AddrPort // TCP
	Pin      Pin            // the sender's
	Identity *Identity
	Secret   Secret // by token; zero where the sender pins Identity

	// ConnectTimeout is how long to try to reach the sender (default
	// DefaultJoinTimeout).
	ConnectTimeout time.Duration
	Memory         int // bytes of buffers (default PoolBytes)
	Buffer         int // bytes of the socket's buffer (default DefaultReceiveBuffer)

	// Finish, when set, is called when all is written, before the sender is told
	// that this host has the stream.
	Finish func() error

	Log *slog.Logger // nil: none
	// Progress, when set, is told how many bytes are verified and written, of how many:
	// 0 until a stream's end is known.
	Progress func(done, total int64)

	testOnlyReader func(packetReader) packetReader
}

// A ReceiveResult is what a receiver got.
type ReceiveResult struct {
	Size     int64 // bytes written, verified
	Counters wire.Counters
	Drops    wire.Drops
	Lost     uint64 // packets that neither came nor are in Counters: lost on the wire
	Repairs  uint64 // packets that came over the control connection
	// RepairBytes are those of Repairs that were of use.
	RepairBytes int64
	// Resumed are the bytes of Size that an earlier session left.
	Resumed int64
	// Detached is why the others did not wait for this host, 0 if they did.
	Detached wire.Reason
	Buffer   int // bytes of the socket's buffer that the kernel gave
}

// A packetReader is the socket that packets come by.
type packetReader interface {
	Read() ([]multicast.Packet, error)
	Interrupt()
	BufferBytes() int
	Drops() uint64
	Close() error
}

// A reception is the state of one receiver. The goroutine of loop owns all of it;
// others hand it work by post.
type reception struct {
	cfg    ReceiveConfig
	sink   Sink
	g      wire.Geometry
	log    *slog.Logger
	clock  clock
	inbox  chan func()
	quit   chan struct{} // closed at the end: post fails
	c      *conn
	rx     packetReader
	opener *wire.Opener
	ifi    *net.Interface
	core   *Receiver

	segments  map[uint32]*segmentBuffer // with packets, not yet complete
	free      []*segmentBuffer
	made      int // buffers
	pool      int // buffers at most
	finisher  *finisher
	finishing sync.WaitGroup
	bad       map[uint32]bool // these come over TLS only
	digests   []wire.Digest
	root      *wire.RootHash
	lastSeg   uint32 // of the block that says that it is the last
	isLast    bool   // lastSeg is known
	end       *wire.End

	resume resumption

	canaries, told uint64        // seen, and reported
	highest        uint64        // counter seen, plus one
	first          uint64        // counter of the first packet, plus one
	arrived        time.Duration // the last packet
	isFinishing    bool
	isDone         bool // DONE was sent
	isOver         bool
	err            error
	result         ReceiveResult
	welcome        wire.Welcome // the last one
	learned        int          // digests told over this connection
	isAway         bool         // the connection broke, and another is on its way
	hasReturned    bool         // one was tried: there is no third
	wg             sync.WaitGroup
}

// Receive takes part in a sending, and returns when the whole stream is verified
// and written, or cannot be. Closing what the sink writes to is the caller's.
func Receive(ctx context.Context, cfg ReceiveConfig, sink Sink) (ReceiveResult, error) {
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, DefaultJoinTimeout)
	cfg.Memory = cmp.Or(cfg.Memory, PoolBytes)
	cfg.Buffer = cmp.Or(cfg.Buffer, DefaultReceiveBuffer)
	r := &reception{
		cfg: cfg, sink: sink, log: orDiscard(cfg.Log), clock: newClock(),
		inbox: make(chan func(), 256), quit: make(chan struct{}),
		segments: make(map[uint32]*segmentBuffer), bad: make(map[uint32]bool),
		root: wire.NewRootHash(),
	}
	c, w, err := r.connect(ctx)
	if err != nil {
		return r.result, err
	}
	if err := r.join(c, w); err != nil {
		_ = c.send(wire.Bye{Reason: wire.Local, Text: err.Error()})
		c.close(byeGrace)
		return r.result, err
	}
	return r.run(ctx)
}

// connect tries to reach the sender until it is there.
func (r *reception) connect(ctx context.Context) (*conn, wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ConnectTimeout)
	defer cancel()
	refusals := 0
	var before error
	for {
		c, w, err := r.cfg.dial(ctx)
		if err == nil {
			return c, w, nil
		}
		if before != nil && ctx.Err() != nil {
			err = before // that the last attempt was cut short tells nothing
		}
		before = err
		if errors.Is(err, errRefused) {
			refusals++
		}
		if isFinal(err) || refusals >= maxRefusals {
			return nil, w, err
		}
		select {
		case <-ctx.Done():
			return nil, w, err
		case <-time.After(connectEvery):
		}
	}
}

// dial makes one attempt.
func (c *ReceiveConfig) dial(ctx context.Context) (*conn, wire.Welcome, error) {
	var secret []byte
	if c.Secret != (Secret{}) {
		secret = c.Secret[:]
	}
	return dial(ctx, c.LocalIP, c.Sender, receiverTLS(c.Identity, c.Pin), secret)
}

// isFinal reports whether another attempt to connect would end alike.
func isFinal(err error) bool {
	var bye *ByeError
	return errors.Is(err, ErrSenderKey) || errors.Is(err, wire.ErrVersion) || errors.Is(err, wire.ErrFormat) ||
		errors.As(err, &bye)
}

// join prepares everything and says READY.
func (r *reception) join(c *conn, w wire.Welcome) error {
	ifi, err := multicast.InterfaceOf(r.cfg.LocalIP)
	if err != nil {
		return err
	}
	r.c, r.welcome, r.ifi = c, w, ifi
	if r.opener, err = wire.NewOpener(w.Key, w.Session, w.Geometry); err != nil {
		return err
	}
	rx, err := multicast.Listen(multicast.ReceiverConfig{
		Group: w.Group, Interface: ifi, BufferBytes: r.cfg.Buffer, Coalesce: true, Stamp: true,
		MaxDatagram: int(w.Geometry.Payload) + wire.Overhead,
	})
	if err != nil {
		return err
	}
	r.rx = rx
	if r.cfg.testOnlyReader != nil {
		r.rx = r.cfg.testOnlyReader(rx)
	}
	r.result.Buffer = rx.BufferBytes()
	r.cut(r.clock.now())
	r.announceResume()
	_ = c.send(wire.Ready{ReceiveBuffer: uint32(r.result.Buffer)}) // its failure shows elsewhere
	return nil
}

// run receives until the end.
func (r *reception) run(ctx context.Context) (ReceiveResult, error) {
	stop := context.AfterFunc(ctx, func() { r.post(func() { r.fail(wire.Interrupted, context.Cause(ctx)) }) })
	defer stop()
	var renewing sync.WaitGroup
	renewing.Go(r.renew)
	r.wg.Go(func() { r.listen(ctx, r.cfg, r.c) })
	r.loop()
	close(r.quit)
	r.c.close(byeGrace)
	close(r.finisher.jobs)
	r.wg.Wait()
	renewing.Wait()
	r.finishing.Wait()
	r.sum()
	r.rx.Close()
	return r.result, r.err
}

// post has the loop run f, and reports whether it still runs.
func (r *reception) post(f func()) bool {
	select {
	case r.inbox <- f:
		r.rx.Interrupt()
		return true
	case <-r.quit:
		return false
	}
}

// loop reads the socket and does what is due.
func (r *reception) loop() {
	timer := time.AfterFunc(0, r.rx.Interrupt)
	defer timer.Stop()
	for !r.isOver {
		packets, err := r.rx.Read()
		if err != nil && !errors.Is(err, multicast.ErrInterrupted) {
			r.fail(wire.Local, fmt.Errorf("reading the group: %w", err))
			return
		}
		now := r.clock.now()
		for i := range packets {
			r.takePacket(r.arrival(now, packets[i].At), packets[i].Data, packets[i].Marked)
		}
		for range len(r.inbox) {
			(<-r.inbox)()
		}
		timer.Reset(max(r.due(now), time.Millisecond))
	}
}

// due does what is due at now, and returns when something is again.
func (r *reception) due(now time.Duration) time.Duration {
	if r.isOver {
		return 0
	}
	if r.isAway {
		return awayTick
	}
	if r.canaries != r.told {
		r.told = r.canaries
		r.say(wire.CanaryReport{Received: r.canaries})
	}
	if now >= r.core.NextReport() && !r.isDone {
		r.core.Overflowed(r.rx.Drops())
		r.core.BadTags(r.opener.Drops().Forged)
		reports, maps := r.core.Report(now)
		for _, m := range reports {
			r.say(m)
		}
		for _, m := range maps {
			r.say(m)
		}
		r.fetch(now)
	}
	return r.core.NextReport() - now
}

func (r *reception) fetch(now time.Duration) {
	if packets, ok := r.core.Fetch(now); ok {
		r.say(wire.Fetch{Packets: packets})
	}
}

// say sends a message; that the sender no longer reads is the end. That the connection
// broke is for listen to find out.
func (r *reception) say(m wire.Message) {
	if r.isAway {
		return
	}
	if err := r.c.send(m); err != nil && !r.isOver && (r.hasReturned || errors.Is(err, errQueueFull)) {
		r.fail(wire.Silent, err)
	}
}

// fail ends the reception.
func (r *reception) fail(reason wire.Reason, err error) {
	if r.isOver {
		return
	}
	r.isOver, r.err = true, err
	_ = r.c.send(wire.Bye{Reason: reason, Text: err.Error()})
}

// renew renews the group's membership, where this process may: a snooping switch
// without a querier forgets it otherwise.
func (r *reception) renew() {
	rx, ok := r.rx.(interface{ Report() error })
	if !ok {
		return
	}
	tick := time.NewTicker(multicast.ReportEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-tick.C:
			if err := rx.Report(); err != nil {
				r.log.Warn("the group's membership cannot be renewed; a switch without a querier may cut the stream off", "reason", err)
				return
			}
		}
	}
}

// count counts the bytes of a segment that is where it belongs.
func (r *reception) count(bytes int64) {
	r.result.Size += bytes
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.result.Size, int64(r.core.size))
	}
}

// sum fills the result.
func (r *reception) sum() {
	r.core.Overflowed(r.rx.Drops())
	drops := r.opener.Drops()
	r.core.BadTags(drops.Forged)
	c := r.core.Counters()
	r.result.Counters, r.result.Drops = c, drops
	if r.first > 0 {
		sent := r.highest - (r.first - 1)
		came := c.Received + c.Duplicates + c.NoRoom + c.Overflow
		r.result.Lost = sent - min(sent, came)
	}
	if c.Overflow > 0 {
		r.log.Warn("the socket's buffer was too small: set net.core.rmem_max higher",
			"dropped", c.Overflow, "buffer", r.result.Buffer,
			"sysctl", fmt.Sprintf("net.core.rmem_max=%d", r.cfg.Buffer))
	}
}

var _ packetReader = (*multicast.Receiver)(nil)
var _ packetWriter = (*multicast.Sender)(nil)
