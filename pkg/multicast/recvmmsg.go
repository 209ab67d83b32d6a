package multicast

import (
	"encoding/binary"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// recvBatch is the memory of one recvmmsg(2), made once. x/net's ReadBatch
// allocates an address for every datagram; this reads addresses in place.
type recvBatch struct {
	hdrs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet4
	bufs  [][]byte
	oobs  [][]byte // room for control messages; nil if none are asked for
}

// A recvRun is what one read gave: a datagram, or several of size bytes each, of
// which the last may be shorter.
type recvRun struct {
	data   []byte
	size   int
	from   netip.AddrPort
	stamp  int64 // Unix nanoseconds when the kernel got it, 0 if it does not say
	marked bool
}

// oobSpace is room for UDP_GRO's size, SO_TIMESTAMPNS's time and IP_RECVTOS's
// byte.
var oobSpace = unix.CmsgSpace(4) + unix.CmsgSpace(16) + unix.CmsgSpace(4)

func (b *recvBatch) init(n, size int, withControl bool) {
	b.hdrs = make([]mmsghdr, n)
	b.iovs = make([]unix.Iovec, n)
	b.names = make([]unix.RawSockaddrInet4, n)
	b.bufs = make([][]byte, n)
	all := make([]byte, n*size)
	for i := range n {
		b.bufs[i] = all[i*size : (i+1)*size : (i+1)*size]
		b.iovs[i].Base = &b.bufs[i][0]
		b.iovs[i].SetLen(size)
		h := &b.hdrs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		if withControl {
			b.oobs = append(b.oobs, make([]byte, oobSpace))
			h.Control = &b.oobs[i][0]
		}
	}
}

// receive takes the datagrams that are there and returns how many, 0 if none. It
// never waits, so that the runtime need not know of the call: see waiter.wait.
func (b *recvBatch) receive(fd int) (int, error) {
	for i := range b.hdrs {
		b.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4 // the kernel overwrites it
		if b.oobs != nil {
			b.hdrs[i].hdr.SetControllen(len(b.oobs[i]))
		}
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
			uintptr(len(b.hdrs)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// run returns the i-th read; ok is false if it did not fit its buffer.
func (b *recvBatch) run(i int) (r recvRun, ok bool) {
	h := &b.hdrs[i]
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		return recvRun{}, false
	}
	name := &b.names[i]
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // network order
	r.from = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), binary.BigEndian.Uint16(port[:]))
	r.data = b.bufs[i][:h.len]
	r.size = len(r.data)
	if b.oobs != nil {
		r.readControl(b.oobs[i][:h.hdr.Controllen])
	}
	return r, true
}

// readControl takes in what the kernel says beside the data. A message that it
// cut is passed over.
func (r *recvRun) readControl(b []byte) {
	for len(b) >= unix.CmsgLen(0) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		if h.Len < uint64(unix.CmsgLen(0)) || h.Len > uint64(len(b)) {
			return
		}
		r.readMessage(h.Level, h.Type, b[unix.CmsgLen(0):h.Len])
		b = b[min(unix.CmsgSpace(int(h.Len)-unix.CmsgLen(0)), len(b)):]
	}
}

func (r *recvRun) readMessage(level, kind int32, b []byte) {
	switch {
	case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO && len(b) >= 4:
		if size := int(binary.NativeEndian.Uint32(b)); size > 0 && size < r.size {
			r.size = size
		}
	case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPNS && len(b) >= 16:
		r.stamp = int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
	case level == unix.IPPROTO_IP && kind == unix.IP_TOS && len(b) >= 1:
		const congestionExperienced = 3 // RFC 3168 section 5
		r.marked = b[0]&3 == congestionExperienced
	}
}
