package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults of ReceiverConfig.
const (
	// DefaultReceiveBuffer holds about 3600 full datagrams (the kernel charges
	// 2304 bytes for each and doubles what is asked): 43 ms at 1 Gb/s.
	DefaultReceiveBuffer = 4 << 20
	// DefaultBatch is how many datagrams one system call moves at most.
	DefaultBatch = 64
	// coalescedBatch is how many reads of up to coalescedBytes, each of many
	// datagrams, one system call makes.
	coalescedBatch = 16
	coalescedBytes = 1 << 16
	// DefaultMaxDatagram is what fits an Ethernet frame: 1500 - 20 - 8.
	DefaultMaxDatagram = 1472
)

// ErrInterrupted is what Read returns after Interrupt.
var ErrInterrupted = errors.New("multicast: interrupted")

// ReceiverConfig says what to receive. Group and Interface must be set.
type ReceiverConfig struct {
	Group     netip.AddrPort // an IPv4 group and a UDP port
	Interface *net.Interface // where to join; see InterfaceOf

	// Source, when valid, is the only address whose datagrams are returned.
	// Others are counted in Foreign. The filter is in user space: it does not
	// depend on IGMPv3 or on what switches make of it.
	Source netip.Addr

	// BufferBytes is the socket's buffer, as SO_RCVBUF counts (default
	// DefaultReceiveBuffer). Beyond net.core.rmem_max it needs CAP_NET_ADMIN;
	// without it the kernel gives less: see Receiver.BufferBytes.
	BufferBytes int

	// Coalesce has the kernel hand over runs of datagrams at once (UDP_GRO), if
	// it can: several times as many fit a core's time and the socket's buffer.
	// Batch is not used then.
	Coalesce bool

	// Stamp has each Packet say when it came (At) and whether it was Marked.
	Stamp bool

	Batch       int // datagrams a read (default DefaultBatch)
	MaxDatagram int // longest datagram in bytes (default DefaultMaxDatagram); longer ones are dropped and counted
}

// A Packet is one datagram. Data is valid until the next read.
type Packet struct {
	Data []byte
	From netip.AddrPort
	// At is when the kernel got it, to be compared by the monotonic clock, and Marked
	// whether it came with the mark of congestion (RFC 3168); both only with Stamp.
	At     time.Time
	Marked bool
}

// A Receiver is a socket that has joined one group. One goroutine reads; all
// other methods may be called from any goroutine.
//
// The socket is not in the runtime's poller, which would wake a thread for
// every datagram: see Read.
type Receiver struct {
	group       netip.Addr
	index       int // of the interface
	source      netip.Addr
	bufferBytes int
	maxDatagram int
	stamp       bool

	mu     sync.RWMutex // read-held while fd is in use, held to close it
	fd     int          // -1 when closed
	drops  uint64       // of the closed socket
	waiter waiter
	closed atomic.Bool

	foreign  atomic.Uint64
	oversize atomic.Uint64

	batch   recvBatch // owned by the reading goroutine, like packets
	packets []Packet
}

// Listen joins cfg.Group and returns the socket that hears it.
func Listen(cfg ReceiverConfig) (*Receiver, error) {
	if err := CheckGroup(cfg.Group); err != nil {
		return nil, err
	}
	fd, err := bindGroup(cfg.Group)
	if err != nil {
		return nil, fmt.Errorf("binding %v: %w", cfg.Group, err)
	}
	r, err := newReceiver(fd, cfg)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return r, nil
}

func newReceiver(fd int, cfg ReceiverConfig) (*Receiver, error) {
	if err := joinGroup(fd, cfg.Group.Addr(), cfg.Interface.Index); err != nil {
		return nil, fmt.Errorf("joining %v on %s: %w", cfg.Group.Addr(), cfg.Interface.Name, err)
	}
	got, err := setReceiveBuffer(fd, orDefault(cfg.BufferBytes, DefaultReceiveBuffer))
	if err != nil {
		return nil, fmt.Errorf("setting the receive buffer: %w", err)
	}
	r := &Receiver{
		group: cfg.Group.Addr(), index: cfg.Interface.Index,
		source: cfg.Source.Unmap(), bufferBytes: got, fd: fd,
	}
	if err := r.waiter.init(napFor(got)); err != nil {
		return nil, err
	}
	r.maxDatagram = orDefault(cfg.MaxDatagram, DefaultMaxDatagram)
	n, size := orDefault(cfg.Batch, DefaultBatch), r.maxDatagram
	isCoalescing := cfg.Coalesce && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	if isCoalescing {
		n, size = coalescedBatch, coalescedBytes
	}
	if cfg.Stamp {
		err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1))
		if err != nil {
			return nil, fmt.Errorf("asking for the datagrams' times: %w", err)
		}
		r.stamp = true
	}
	r.batch.init(n, size, isCoalescing || cfg.Stamp)
	r.packets = make([]Packet, 0, n)
	return r, nil
}

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// Read waits for datagrams and returns those that are there, at most a batch.
// The result is valid until the next Read or TryRead; it can be empty, when all
// that came was dropped. It returns ErrInterrupted once after Interrupt, and
// net.ErrClosed after Close.
//
// While a stream flows it looks only about once a millisecond, and lets the
// socket's buffer collect what comes between: waking a thread for every datagram
// costs the sending side's kernel more than the datagram itself, on a virtual
// machine 30 microseconds against 5.
func (r *Receiver) Read() ([]Packet, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for {
		if r.closed.Load() {
			return nil, net.ErrClosed
		}
		if r.waiter.wasInterrupted() {
			return nil, ErrInterrupted
		}
		packets, n, err := r.receive()
		if n > 0 || err != nil {
			r.waiter.busy()
			return packets, err
		}
		if err := r.waiter.wait(r.fd); err != nil {
			return nil, err
		}
	}
}

// TryRead is Read without waiting; more reports whether there may be more.
func (r *Receiver) TryRead() (packets []Packet, more bool, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed.Load() {
		return nil, false, net.ErrClosed
	}
	packets, n, err := r.receive()
	return packets, n > 0, err
}

// receive takes what is there: n datagrams, of which packets are wanted.
func (r *Receiver) receive() (packets []Packet, n int, err error) {
	n, err = r.batch.receive(r.fd)
	if err != nil {
		return nil, 0, err
	}
	var now time.Time
	if r.stamp && n > 0 {
		now = time.Now() // both clocks at once: a thread may lose its core between two looks
	}
	r.packets = r.packets[:0]
	for i := range n {
		run, ok := r.batch.run(i)
		switch {
		case !ok || run.size > r.maxDatagram:
			r.oversize.Add(1)
		case r.source.IsValid() && run.from.Addr() != r.source:
			r.foreign.Add(1)
		default:
			r.split(run, now)
		}
	}
	return r.packets, n, nil
}

// split adds the datagrams of a read at now to packets.
func (r *Receiver) split(run recvRun, now time.Time) {
	p := Packet{From: run.from, Marked: run.marked, At: now}
	if run.stamp > 0 {
		p.At = now.Add(-max(time.Duration(now.UnixNano()-run.stamp), 0))
	}
	data, size := run.data, run.size
	for len(data) > size {
		p.Data = data[:size:size]
		r.packets = append(r.packets, p)
		data = data[size:]
	}
	p.Data = data
	r.packets = append(r.packets, p)
}

// Interrupt makes the Read that waits, or else the next one, return
// ErrInterrupted.
func (r *Receiver) Interrupt() {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.closed.Load() {
		r.waiter.interrupt()
	}
}

// BufferBytes is the receive buffer that the kernel gave, as getsockopt tells
// it: twice what was asked, because it counts its own overhead too.
func (r *Receiver) BufferBytes() int { return r.bufferBytes }

// Foreign counts datagrams from others than the configured source.
func (r *Receiver) Foreign() uint64 { return r.foreign.Load() }

// Oversize counts datagrams longer than MaxDatagram.
func (r *Receiver) Oversize() uint64 { return r.oversize.Load() }

// Drops counts datagrams that the kernel threw away, mostly because the buffer
// was full. It is the counter that SO_RXQ_OVFL attaches to datagrams, read by
// SO_MEMINFO: so it also has the drops after the last datagram that came.
func (r *Receiver) Drops() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.fd < 0 {
		return r.drops
	}
	return socketDrops(r.fd)
}

// Close ends a waiting Read and leaves the group.
func (r *Receiver) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.waiter.interrupt()
	r.mu.Lock() // Read has returned
	defer r.mu.Unlock()
	r.drops = socketDrops(r.fd)
	err := errors.Join(unix.Close(r.fd), r.waiter.close())
	r.fd = -1
	return err
}
