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
}

func (b *recvBatch) init(n, size int) {
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
	}
}

// receive takes the datagrams that are there and returns how many, 0 if none.
func (b *recvBatch) receive(fd int) (int, error) {
	for i := range b.hdrs {
		b.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4 // the kernel overwrites it
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

// packet returns the i-th datagram; ok is false if it did not fit its buffer.
func (b *recvBatch) packet(i int) (p Packet, ok bool) {
	h := &b.hdrs[i]
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		return Packet{}, false
	}
	name := &b.names[i]
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // network order
	return Packet{
		Data: b.bufs[i][:h.len],
		From: netip.AddrPortFrom(netip.AddrFrom4(name.Addr), binary.BigEndian.Uint16(port[:])),
	}, true
}
