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
	oobs  [][]byte // room for UDP_GRO's control messages; nil without it
}

func (b *recvBatch) init(n, size int, isCoalescing bool) {
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
		if isCoalescing {
			b.oobs = append(b.oobs, make([]byte, unix.CmsgSpace(4)))
			h.Control = &b.oobs[i][0]
		}
	}
}

// receive takes the datagrams that are there and returns how many, 0 if none.
func (b *recvBatch) receive(fd int) (int, error) {
	for i := range b.hdrs {
		b.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4 // the kernel overwrites it
		if b.oobs != nil {
			b.hdrs[i].hdr.SetControllen(len(b.oobs[i]))
		}
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
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

// run returns the i-th read: a datagram, or several of size bytes each, of which
// the last may be shorter. ok is false if it did not fit its buffer.
func (b *recvBatch) run(i int) (data []byte, size int, from netip.AddrPort, ok bool) {
	h := &b.hdrs[i]
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		return nil, 0, netip.AddrPort{}, false
	}
	name := &b.names[i]
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // network order
	from = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), binary.BigEndian.Uint16(port[:]))
	data = b.bufs[i][:h.len]
	return data, b.segmentSize(i, len(data)), from, true
}

// segmentSize returns the size of the datagrams that a read of n bytes is made of.
func (b *recvBatch) segmentSize(i, n int) int {
	if b.oobs == nil || int(b.hdrs[i].hdr.Controllen) < unix.CmsgLen(4) {
		return n
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b.oobs[i][0]))
	if c.Level != unix.IPPROTO_UDP || c.Type != unix.UDP_GRO {
		return n
	}
	size := *(*int32)(unsafe.Pointer(&b.oobs[i][unix.CmsgLen(0)]))
	if size <= 0 || int(size) > n {
		return n
	}
	return int(size)
}
