package multicast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Defaults of ReceiverConfig.
const (
	// DefaultReceiveBuffer holds about 3600 full datagrams (the kernel charges
	// 2304 bytes for each and doubles what is asked): 43 ms at 1 Gb/s.
	DefaultReceiveBuffer = 4 << 20
	// DefaultBatch is how many datagrams one system call moves at most.
	DefaultBatch = 64
	// DefaultMaxDatagram is what fits an Ethernet frame: 1500 - 20 - 8.
	DefaultMaxDatagram = 1472
)

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

	Batch       int // datagrams a read (default DefaultBatch)
	MaxDatagram int // longest datagram in bytes (default DefaultMaxDatagram); longer ones are dropped and counted
}

// A Packet is one datagram. Data is valid until the next read.
type Packet struct {
	Data []byte
	From netip.AddrPort
}

// A Receiver is a socket that has joined one group. One goroutine reads; all
// other methods may be called from any goroutine.
type Receiver struct {
	conn        *net.UDPConn
	raw         syscall.RawConn
	source      netip.Addr
	bufferBytes int

	foreign  atomic.Uint64
	oversize atomic.Uint64

	batch   recvBatch // owned by the reading goroutine
	packets []Packet
}

// Listen joins cfg.Group and returns the socket that hears it.
func Listen(cfg ReceiverConfig) (*Receiver, error) {
	if err := CheckGroup(cfg.Group); err != nil {
		return nil, err
	}
	conn, err := bindGroup(cfg.Group)
	if err != nil {
		return nil, fmt.Errorf("binding %v: %w", cfg.Group, err)
	}
	r, err := newReceiver(conn, cfg)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

func newReceiver(conn *net.UDPConn, cfg ReceiverConfig) (*Receiver, error) {
	group := &net.UDPAddr{IP: cfg.Group.Addr().AsSlice()}
	if err := ipv4.NewPacketConn(conn).JoinGroup(cfg.Interface, group); err != nil {
		return nil, fmt.Errorf("joining %v on %s: %w", cfg.Group.Addr(), cfg.Interface.Name, err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reaching the socket: %w", err)
	}
	r := &Receiver{conn: conn, raw: raw, source: cfg.Source.Unmap()}
	r.bufferBytes, err = setReceiveBuffer(raw, orDefault(cfg.BufferBytes, DefaultReceiveBuffer))
	if err != nil {
		return nil, err
	}
	n := orDefault(cfg.Batch, DefaultBatch)
	r.packets = make([]Packet, 0, n)
	r.batch.init(n, orDefault(cfg.MaxDatagram, DefaultMaxDatagram))
	return r, nil
}

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// bindGroup makes a socket bound to the group's address itself:
// net.ListenPacket would bind the wildcard, which hears every group of the port.
func bindGroup(group netip.AddrPort) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "multicast")
	defer file.Close() // net.FilePacketConn takes a copy
	// SO_REUSEADDR lets several receivers of one machine share the port; each
	// gets every datagram. SO_REUSEPORT would do so for the same user only.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("SO_REUSEADDR", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
		return nil, os.NewSyscallError("IP_MULTICAST_ALL", err)
	}
	addr := &unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()}
	if err := unix.Bind(fd, addr); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	pc, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// Read waits for datagrams and returns those that are there, at most a batch.
// The result is valid until the next Read or TryRead; it can be empty, when all
// that came was dropped. It returns os.ErrDeadlineExceeded after the deadline,
// even if datagrams wait, and net.ErrClosed after Close.
func (r *Receiver) Read() ([]Packet, error) {
	r.batch.wait = true
	return r.read()
}

// TryRead is Read without waiting: no packets mean that the socket is empty, or
// that what came was dropped; more reports whether more may wait.
func (r *Receiver) TryRead() (packets []Packet, more bool, err error) {
	r.batch.wait = false
	packets, err = r.read()
	return packets, r.batch.n > 0, err
}

func (r *Receiver) read() ([]Packet, error) {
	r.packets = r.packets[:0]
	if err := r.raw.Read(r.batch.recv); err != nil {
		return nil, err
	}
	if r.batch.errno != 0 {
		return nil, os.NewSyscallError("recvmmsg", r.batch.errno)
	}
	for i := range r.batch.n {
		p, ok := r.batch.packet(i)
		switch {
		case !ok:
			r.oversize.Add(1)
		case r.source.IsValid() && p.From.Addr() != r.source:
			r.foreign.Add(1)
		default:
			r.packets = append(r.packets, p)
		}
	}
	return r.packets, nil
}

// SetReadDeadline ends a waiting Read at t, and lets no other begin; the zero
// time is no deadline.
func (r *Receiver) SetReadDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

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
	var drops uint64
	_ = r.raw.Control(func(fd uintptr) { drops = socketDrops(int(fd)) }) // closed: 0
	return drops
}

// Close leaves the group and ends a waiting Read.
func (r *Receiver) Close() error { return r.conn.Close() }
