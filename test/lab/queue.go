package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A QueueReading is what the queue of a switch's port has done until a moment.
type QueueReading struct {
	At      time.Time
	Bytes   uint64 // that have left it, Ethernet headers counted
	Packets uint64
	Drops   uint64 // packets that found no room in it
	Backlog uint32 // bytes that wait in it
}

// Queue reads the queue of the switch's port towards a host, once LimitPort has made
// one.
func (s *Switch) Queue(host string) (r QueueReading, err error) {
	err = s.withQueues(func(q *queues) error {
		index, err := q.index(portName(host))
		if err == nil {
			r, err = q.read(index)
		}
		return err
	})
	return r, err
}

// A QueueMeter reads the queue of a port time and again. Stop has to be called.
type QueueMeter struct {
	stop chan struct{} // closed by Stop
	done chan struct{} // closed by the reader
	log  []QueueReading
	err  error
}

// MeterQueue begins to read the queue towards a host every so often, from a thread
// of its own: it starts no process, so that what is measured is not disturbed.
func (s *Switch) MeterQueue(host string, every time.Duration) *QueueMeter {
	m := &QueueMeter{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		m.err = s.withQueues(func(q *queues) error { return m.run(q, portName(host), every) })
	}()
	return m
}

func (m *QueueMeter) run(q *queues, port string, every time.Duration) error {
	index, err := q.index(port)
	if err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r, err := q.read(index)
		if err != nil {
			return err
		}
		m.log = append(m.log, r)
		select {
		case <-m.stop:
			return nil
		case <-tick.C:
		}
	}
}

// Stop ends the reading and returns all readings in order.
func (m *QueueMeter) Stop() ([]QueueReading, error) {
	close(m.stop)
	<-m.done
	return m.log, m.err
}

// withQueues runs f on a thread that is in the switch's network namespace.
func (s *Switch) withQueues(f func(*queues) error) error {
	return onThread(func() error {
		if err := unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network: %w", err)
		}
		q := &queues{answer: make([]byte, 1<<16)}
		var err error
		q.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("asking for queues: %w", err)
		}
		defer unix.Close(q.fd)
		return f(q)
	})
}

// queues asks the kernel of a network namespace about queues, by rtnetlink(7).
type queues struct {
	fd     int
	answer []byte
}

func (q *queues) index(device string) (int, error) {
	ifr, err := unix.NewIfreq(device)
	if err != nil {
		return 0, err
	}
	inet, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(inet)
	if err := unix.IoctlIfreq(inet, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, fmt.Errorf("looking for %s: %w", device, err)
	}
	return int(ifr.Uint32()), nil
}

// Layouts of linux/rtnetlink.h, linux/pkt_sched.h and linux/gen_stats.h.
const (
	nlmsgLen, tcmsgLen = 16, 20
	tcaKind            = 1
	tcaStats2          = 7
	statsBasic         = 1 // u64 bytes, u32 packets
	statsQueue         = 3 // u32 qlen, backlog, drops, requeues, overlimits
)

// read asks for the queue at the root of a device.
func (q *queues) read(index int) (QueueReading, error) {
	ask := make([]byte, nlmsgLen+tcmsgLen)
	native := binary.NativeEndian
	native.PutUint32(ask, uint32(len(ask)))
	native.PutUint16(ask[4:], unix.RTM_GETQDISC)
	// The kernel tells about a queue as a notification: only with an echo to us, too.
	native.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_ECHO)
	native.PutUint32(ask[nlmsgLen+4:], uint32(index))
	native.PutUint32(ask[nlmsgLen+12:], 0xFFFFFFFF) // TC_H_ROOT, as parent
	if err := unix.Sendto(q.fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return QueueReading{}, fmt.Errorf("asking for a queue: %w", err)
	}
	r := QueueReading{At: time.Now()}
	found := false
	for {
		n, _, err := unix.Recvfrom(q.fd, q.answer, 0)
		if err != nil {
			return r, fmt.Errorf("asking for a queue: %w", err)
		}
		b := q.answer[:n]
		if n < nlmsgLen+4 || native.Uint16(b[4:]) == unix.NLMSG_ERROR { // the acknowledgement too
			break
		}
		if native.Uint16(b[4:]) == unix.RTM_NEWQDISC && n >= nlmsgLen+tcmsgLen {
			found = r.parse(b[nlmsgLen+tcmsgLen:])
		}
	}
	if !found {
		return r, errors.New("asking for a queue: there is none")
	}
	return r, nil
}

// parse takes the figures from a queue's attributes.
func (r *QueueReading) parse(b []byte) bool {
	all := attributes(b)
	if string(bytes.TrimRight(all[tcaKind], "\x00")) == "noqueue" {
		return false
	}
	nested := attributes(all[tcaStats2])
	basic, queue := nested[statsBasic], nested[statsQueue]
	if len(basic) < 12 || len(queue) < 12 {
		return false
	}
	native := binary.NativeEndian
	r.Bytes, r.Packets = native.Uint64(basic), uint64(native.Uint32(basic[8:]))
	r.Backlog, r.Drops = native.Uint32(queue[4:]), uint64(native.Uint32(queue[8:]))
	return true
}

// attributes splits a row of rtattr by their types.
func attributes(b []byte) map[uint16][]byte {
	all := map[uint16][]byte{}
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			break
		}
		all[binary.NativeEndian.Uint16(b[2:])&0x3FFF] = b[unix.SizeofRtAttr:size]
		b = b[min((size+3)&^3, len(b)):]
	}
	return all
}
