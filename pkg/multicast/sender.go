package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// DefaultSendBuffer bounds what waits in the kernel to about 450 full
// datagrams: less than the 1000 that a plain interface queue takes before it
// drops, more than a writer needs to keep 1 Gb/s busy (5 ms).
const DefaultSendBuffer = 512 << 10

// SenderConfig says where to send. Group, Interface and Local must be set.
type SenderConfig struct {
	Group     netip.AddrPort
	Interface *net.Interface // where the datagrams leave; see InterfaceOf
	Local     netip.Addr     // their source address, one of the interface's

	TTL         int  // hops (default 1: this network only)
	DSCP        int  // 0 to 63: the class of service that switches see (default 0)
	ECN         bool // whether switches may mark in place of dropping (RFC 3168): the receivers have to tell
	NoLoop      bool // whether receivers on this host are left out
	NoSegment   bool // whether UDP_SEGMENT is not to be used
	BufferBytes int  // as SO_SNDBUF counts (default DefaultSendBuffer)
}

// A Sender writes datagrams to one group. Not safe for concurrent use, but
// Close and Unsent are.
type Sender struct {
	conn   *net.UDPConn
	pconn  *ipv4.PacketConn
	group  netip.AddrPort
	runs   runs
	unsent atomic.Uint64
}

// Dial opens a socket that sends to cfg.Group.
func Dial(cfg SenderConfig) (*Sender, error) {
	if err := CheckGroup(cfg.Group); err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: cfg.Local.Unmap().AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("binding a sending socket: %w", err)
	}
	s := &Sender{conn: conn, pconn: ipv4.NewPacketConn(conn), group: cfg.Group}
	s.runs.init(net.UDPAddrFromAddrPort(cfg.Group), !cfg.NoSegment)
	if err := s.configure(cfg); err != nil {
		conn.Close()
		return nil, fmt.Errorf("preparing to send on %s: %w", cfg.Interface.Name, err)
	}
	return s, nil
}

func (s *Sender) configure(cfg SenderConfig) error {
	return errors.Join(
		s.pconn.SetMulticastInterface(cfg.Interface),
		s.pconn.SetMulticastTTL(orDefault(cfg.TTL, 1)),
		s.pconn.SetTOS(cfg.tos()),
		s.pconn.SetMulticastLoopback(!cfg.NoLoop),
		s.conn.SetWriteBuffer(orDefault(cfg.BufferBytes, DefaultSendBuffer)),
	)
}

// tos returns the byte of the IP header that was once called so.
func (c SenderConfig) tos() int {
	const capable = 2 // ECT(0)
	if c.ECN {
		return c.DSCP<<2 | capable
	}
	return c.DSCP << 2
}

// Send writes datagrams, each a list of parts, in order, and waits while the
// socket's buffer is full. A datagram that the host itself will not let out - a
// firewall rule, an interface that is down, a full queue - is as lost as one
// that the network drops: it is counted in Unsent and the rest are sent.
func (s *Sender) Send(datagrams [][][]byte) error {
	for len(datagrams) > 0 {
		msgs := s.runs.pack(datagrams)
		sent, err := s.pconn.WriteBatch(msgs, 0)
		switch {
		case sent > 0:
			datagrams = datagrams[s.runs.datagrams(sent):]
		case err != nil && s.runs.segment && isSegmentFault(err):
			s.runs.segment = false // and again, one by one
		case isLoss(err):
			n := s.runs.datagrams(1)
			s.unsent.Add(uint64(n))
			datagrams = datagrams[n:]
		case err != nil:
			return fmt.Errorf("sending to the group: %w", err)
		}
	}
	return nil
}

// SendRun writes the datagrams that lie back to back in run, each of size bytes
// but the last, which may be shorter. It is Send without the copying, and
// allocates nothing.
func (s *Sender) SendRun(run []byte, size int) error {
	for len(run) > 0 {
		n := min(size, len(run))
		if s.runs.segment {
			n = min(min(runBytes/size, runDatagrams)*size, len(run))
		}
		_, _, err := s.conn.WriteMsgUDPAddrPort(run[:n], s.runs.control(n, size), s.group)
		switch {
		case err == nil:
		case n > size && isSegmentFault(err):
			s.runs.segment = false // and again, one by one
			continue
		case isLoss(err):
			s.unsent.Add(uint64((n + size - 1) / size))
		default:
			return fmt.Errorf("sending to the group: %w", err)
		}
		run = run[n:]
	}
	return nil
}

// SetSegment says whether UDP_SEGMENT is used from now on: some kernels and
// devices corrupt what they cut, which only the receivers can tell.
func (s *Sender) SetSegment(use bool) { s.runs.segment = use }

// isSegmentFault reports whether err can mean that the kernel, the interface or
// its MTU does not allow UDP_SEGMENT here.
func isSegmentFault(err error) bool {
	return isOneOf(err, unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP)
}

// isLoss reports whether err is about what was sent, not about the socket.
func isLoss(err error) bool {
	return isOneOf(err, unix.EPERM, unix.ENOBUFS, unix.ENETDOWN, unix.ENETUNREACH,
		unix.EHOSTUNREACH, unix.EHOSTDOWN)
}

func isOneOf(err error, errnos ...error) bool {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Unsent counts the datagrams that did not leave this host.
func (s *Sender) Unsent() uint64 { return s.unsent.Load() }

// LocalAddr is the address and port that the datagrams come from.
func (s *Sender) LocalAddr() netip.AddrPort {
	return s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close ends a waiting Send.
func (s *Sender) Close() error { return s.conn.Close() }
