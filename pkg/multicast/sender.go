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

// DefaultSendBuffer bounds what waits in the kernel to about 56 full datagrams (it
// keeps twice this, and charges 2304 bytes for each): 0.7 ms at 1 Gb/s, enough for a
// writer that is woken late. What waits here looks to the hosts like a queue in the
// network, and with more of it the rate was lowered for one.
const DefaultSendBuffer = 64 << 10

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
//
// Like a Receiver's, its socket is not in the runtime's poller: a Send that waits
// holds its thread.
type Sender struct {
	sock   sendSocket
	local  netip.AddrPort
	runs   runs
	parts  [1][]byte // of SendRun's message
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
	s := &Sender{local: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.runs.init(!cfg.NoSegment)
	err = cfg.apply(conn)
	if err == nil {
		err = s.sock.init(conn, cfg.Group)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("preparing to send on %s: %w", cfg.Interface.Name, err)
	}
	return s, nil
}

// apply sets the options of a socket that is to send.
func (c SenderConfig) apply(conn *net.UDPConn) error {
	p := ipv4.NewPacketConn(conn)
	return errors.Join(
		p.SetMulticastInterface(c.Interface),
		p.SetMulticastTTL(orDefault(c.TTL, 1)),
		p.SetTOS(c.tos()),
		p.SetMulticastLoopback(!c.NoLoop),
		conn.SetWriteBuffer(orDefault(c.BufferBytes, DefaultSendBuffer)),
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
		m := s.runs.pack(datagrams)
		isAgain, err := s.write(m.parts, m.control, m.datagrams)
		if err != nil {
			return err
		}
		if !isAgain {
			datagrams = datagrams[m.datagrams:]
		}
	}
	return nil
}

// SendRun writes the datagrams that lie back to back in run, each of size bytes
// but the last, which may be shorter. It is Send without the lists, and allocates
// nothing.
func (s *Sender) SendRun(run []byte, size int) error {
	for len(run) > 0 {
		n := min(size, len(run))
		if s.runs.segment {
			n = min(min(runBytes/size, runDatagrams)*size, len(run))
		}
		s.parts[0] = run[:n]
		isAgain, err := s.write(s.parts[:], s.runs.control(n, size), (n+size-1)/size)
		if err != nil {
			return err
		}
		if !isAgain {
			run = run[n:]
		}
	}
	return nil
}

// write writes a message of some datagrams. isAgain reports that the kernel would
// not cut it: it is to be packed again, without UDP_SEGMENT.
func (s *Sender) write(parts [][]byte, control []byte, datagrams int) (isAgain bool, err error) {
	err = s.sock.send(parts, control)
	switch {
	case err == nil:
	case len(control) > 0 && isSegmentFault(err):
		s.runs.segment = false
		return true, nil
	case isLoss(err):
		s.unsent.Add(uint64(datagrams))
	default:
		return false, fmt.Errorf("sending to the group: %w", err)
	}
	return false, nil
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
func (s *Sender) LocalAddr() netip.AddrPort { return s.local }

// Close ends a waiting Send, with net.ErrClosed.
func (s *Sender) Close() error { return s.sock.close() }
