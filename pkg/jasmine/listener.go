package jasmine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

type groupPort = netip.AddrPort

// A packetReceiver is the socket that a client hears the group through.
type packetReceiver interface {
	Read() ([]multicast.Packet, error)
	TryRead() (packets []multicast.Packet, more bool, err error)
	Interrupt()
	BufferBytes() int
	Foreign() uint64
	Oversize() uint64
	Drops() uint64
	Close() error
}

// A reporter is a packetReceiver that can renew its membership of the group.
type reporter interface{ Report() error }

// A listener reads the group and adds what it hears to the current assembly.
// Its goroutine is run; the other methods are the client's.
type listener struct {
	rx    packetReceiver
	order byteOrder
	count *counters
	fail  func(error) // ends the session

	current  atomic.Pointer[assembly] // nil between rounds
	port     uint16                   // the server's UDP port, once known; owned by run
	lastGood atomic.Int64             // when the last packet of the current assembly came, in Unix nanoseconds
	drained  chan struct{}            // a token for each drain that is over
	done     chan struct{}            // closed when run ends
}

func newListener(rx packetReceiver, order byteOrder, count *counters, fail func(error)) *listener {
	return &listener{
		rx: rx, order: order, count: count, fail: fail,
		drained: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// run reads until the socket is closed.
func (l *listener) run() {
	defer close(l.done)
	for {
		packets, err := l.rx.Read()
		if errors.Is(err, multicast.ErrInterrupted) {
			err = l.empty()
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.fail(err)
			return
		}
		l.take(packets)
	}
}

// empty reads what waits in the socket and says that it did: see drain.
func (l *listener) empty() error {
	for more := true; more; {
		var packets []multicast.Packet
		var err error
		packets, more, err = l.rx.TryRead()
		if err != nil {
			return err
		}
		l.take(packets)
	}
	l.drained <- struct{}{}
	return nil
}

// drain makes run read all that waits in the socket; a token in drained says
// that it did. Datagrams that came before SENT are there before SENT is read,
// but nobody else can know that run has read them.
func (l *listener) drain() { l.rx.Interrupt() }

func (l *listener) take(packets []multicast.Packet) {
	if len(packets) == 0 {
		return
	}
	a := l.current.Load()
	good := false
	for _, p := range packets {
		if l.takeOne(a, p) {
			good = true
		}
	}
	if good {
		l.lastGood.Store(time.Now().UnixNano())
	}
}

// takeOne reports whether p is of the current assembly.
func (l *listener) takeOne(a *assembly, p multicast.Packet) bool {
	seq, payload, err := parsePacket(p.Data, l.order)
	if err != nil || a == nil {
		l.count.misfits.Add(1)
		return false
	}
	if seq-a.info.Base < a.info.Count && !l.isFromSession(p.From.Port()) {
		return false
	}
	switch a.add(seq, payload) {
	case added:
		l.count.packets.Add(1)
	case duplicate:
		l.count.duplicates.Add(1)
	case misfit:
		l.count.misfits.Add(1)
		return false
	}
	return true
}

// isFromSession holds the session to one UDP port of the server: the wire has
// no session id, and two sessions at one address would otherwise mix.
func (l *listener) isFromSession(port uint16) bool {
	if l.port == 0 {
		l.port = port
	}
	if l.port != port {
		l.fail(ErrMixed)
		return false
	}
	return true
}

// idle is how long ago the last packet of the current assembly came.
func (l *listener) idle(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, l.lastGood.Load()))
}

// renew renews the membership every so often until ctx ends, if that is
// possible here; the first time that it is not, complain is called.
func (l *listener) renew(ctx context.Context, every time.Duration, complain func(error)) {
	r, ok := l.rx.(reporter)
	if !ok {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := r.Report(); err != nil && ctx.Err() == nil {
			complain(err)
			return
		}
	}
}

func (l *listener) close() { l.rx.Close() }
