package multicast

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ReportEvery is how often a receiver should Report: a snooping switch without
// a querier forgets a member after about 260 s, and three reports may get lost.
const ReportEvery = time.Minute

// Report tells the switches again that this host is a member of the group. A
// snooping switch on a network without a querier otherwise cuts the stream off
// after about 260 s: the kernel reports by itself only when it is asked, and a
// second join of the same group reports nothing. It needs CAP_NET_RAW.
func (r *Receiver) Report() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
	if err != nil {
		return fmt.Errorf("reporting membership: %w", os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	group := r.group.As4()
	err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(r.index)})
	if err == nil { // router alert, which RFC 2236 section 2 asks for
		err = unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x94\x04\x00\x00")
	}
	if err == nil { // the TTL is 1 by default
		err = unix.Sendto(fd, membershipReport(r.group), 0, &unix.SockaddrInet4{Addr: group})
	}
	if err != nil {
		return fmt.Errorf("reporting membership of %v: %w", r.group, err)
	}
	return nil
}

// membershipReport is an IGMPv2 report (RFC 2236 section 2), which devices that
// speak version 3 understand too.
func membershipReport(group netip.Addr) []byte {
	g := group.As4()
	b := []byte{0x16, 0, 0, 0, g[0], g[1], g[2], g[3]}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = ^(sum&0xffff + sum>>16)
	b[2], b[3] = byte(sum>>8), byte(sum)
	return b
}
