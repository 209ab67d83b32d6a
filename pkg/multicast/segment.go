package multicast

import (
	"net"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// runBytes is the most that UDP_SEGMENT takes: a UDP payload.
	runBytes = 65507
	// runDatagrams is how many segments every kernel that knows UDP_SEGMENT
	// takes (UDP_MAX_SEGMENTS; 128 since Linux 6.9).
	runDatagrams = 64
)

// runs packs datagrams into messages. With UDP_SEGMENT a message is a run of
// datagrams of equal length, of which the last may be shorter: the kernel takes
// it through its layers once and cuts it at the end. What is on the wire is the
// same; what it costs is a third.
type runs struct {
	segment bool
	msgs    []ipv4.Message // all to the group; Buffers and OOB change
	counts  []int          // datagrams in each message
	oobs    [][]byte       // a UDP_SEGMENT control message for each
	parts   [][]byte       // what the messages' Buffers are cut from
}

func (r *runs) init(to net.Addr, segment bool) {
	r.segment = segment
	r.msgs = make([]ipv4.Message, DefaultBatch)
	r.counts = make([]int, DefaultBatch)
	r.oobs = make([][]byte, DefaultBatch)
	for i := range r.msgs {
		r.msgs[i].Addr = to
		r.oobs[i] = segmentMessage()
	}
}

// segmentMessage returns a control message that asks for segments of 0 bytes.
func segmentMessage() []byte {
	b := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	return b
}

func setSegment(control []byte, size int) {
	*(*uint16)(unsafe.Pointer(&control[unix.CmsgLen(0)])) = uint16(size)
}

// control returns the control message for n bytes in datagrams of size bytes,
// valid until the next one: none for a single datagram.
func (r *runs) control(n, size int) []byte {
	if n <= size {
		return nil
	}
	setSegment(r.oobs[0], size)
	return r.oobs[0]
}

// pack returns messages for the first of datagrams; datagrams tells how many
// they are. They are valid until the next pack.
func (r *runs) pack(datagrams [][][]byte) []ipv4.Message {
	r.parts = r.parts[:0]
	n := 0
	for ; n < len(r.msgs) && len(datagrams) > 0; n++ {
		size := length(datagrams[0])
		count := r.run(datagrams, size)
		from := len(r.parts)
		for _, d := range datagrams[:count] {
			r.parts = append(r.parts, d...)
		}
		r.msgs[n].Buffers = r.parts[from:len(r.parts):len(r.parts)]
		r.msgs[n].OOB = nil
		if count > 1 {
			setSegment(r.oobs[n], size)
			r.msgs[n].OOB = r.oobs[n]
		}
		r.counts[n] = count
		datagrams = datagrams[count:]
	}
	return r.msgs[:n]
}

// run returns how many of datagrams make one message; the first has size bytes.
func (r *runs) run(datagrams [][][]byte, size int) int {
	if !r.segment || size == 0 {
		return 1
	}
	limit := min(runBytes/size, runDatagrams, len(datagrams))
	n := 1
	for n < limit {
		next := length(datagrams[n])
		if next == 0 || next > size {
			break
		}
		n++
		if next < size {
			break
		}
	}
	return n
}

// datagrams returns how many are in the first n messages of the last pack.
func (r *runs) datagrams(n int) (sum int) {
	for _, c := range r.counts[:n] {
		sum += c
	}
	return sum
}

func length(parts [][]byte) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}
