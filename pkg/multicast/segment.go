package multicast

import (
	"unsafe"

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
	oob     []byte   // a UDP_SEGMENT control message
	parts   [][]byte // of the last pack
}

// A message is what one call writes.
type message struct {
	parts     [][]byte
	control   []byte // nil for a single datagram
	datagrams int
}

func (r *runs) init(segment bool) { r.segment, r.oob = segment, segmentMessage() }

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
	setSegment(r.oob, size)
	return r.oob
}

// pack returns a message for the first of datagrams, valid until the next pack.
func (r *runs) pack(datagrams [][][]byte) (m message) {
	size := length(datagrams[0])
	m.datagrams = r.run(datagrams, size)
	r.parts = r.parts[:0]
	for _, d := range datagrams[:m.datagrams] {
		r.parts = append(r.parts, d...)
	}
	m.parts = r.parts
	if m.datagrams > 1 {
		setSegment(r.oob, size)
		m.control = r.oob
	}
	return m
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

func length(parts [][]byte) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}
