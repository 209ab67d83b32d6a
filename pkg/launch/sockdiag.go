package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's sock_diag messages (sock_diag(7)); golang.org/x/sys has no names
// for them. Numbers are in the machine's order, ports and addresses in the
// network's.
const (
	sockDiagByFamily = 20
	diagRequestSize  = 56 // inet_diag_req_v2
	diagAnswerSize   = 72 // inet_diag_msg
	diagPortAt       = 4  // in the answer, as the next two
	diagAddrAt       = 8
	diagInodeAt      = 68
	tcpStateListen   = 10
)

// errNoDiag is returned where the kernel does not answer sock_diag for TCP: it is
// a module that may be missing.
var errNoDiag = errors.New("launch: no sock_diag")

// diagListening asks the kernel for the listening sockets of both families.
// /proc/net/tcp names them too, but to print it the kernel walks the table of all
// connections, 6 ms with 2^19 slots even when they are empty, and we ask again
// and again while a registry starts.
func diagListening() (all []tcpSocket, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDiag, err)
	}
	defer unix.Close(fd)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := unix.Sendto(fd, diagRequest(family), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoDiag, err)
		}
		for done := false; !done; {
			var some []tcpSocket
			if some, done, err = diagAnswers(fd); err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// diagRequest is the netlink message that asks for a family's listening sockets.
func diagRequest(family byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+diagRequestSize)
	binary.NativeEndian.PutUint32(m, unix.SizeofNlMsghdr+diagRequestSize)
	binary.NativeEndian.PutUint16(m[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	m = append(m, family, unix.IPPROTO_TCP, 0, 0)
	m = binary.NativeEndian.AppendUint32(m, 1<<tcpStateListen)
	return m[:cap(m)] // any address
}

// diagAnswers reads what one datagram holds; done after the last.
func diagAnswers(fd int) (all []tcpSocket, done bool, err error) {
	buf := make([]byte, 32<<10) // the kernel fills no more in a dump
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if errors.Is(err, unix.EINTR) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("listing TCP sockets: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil {
		return nil, false, fmt.Errorf("listing TCP sockets: %w", err)
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return all, true, nil
		case unix.NLMSG_ERROR:
			return nil, false, fmt.Errorf("%w: %w", errNoDiag, diagErrno(m.Data))
		}
		if s, ok := parseDiag(m.Data); ok {
			all = append(all, s)
		}
	}
	return all, false, nil
}

// diagErrno is the number in a NLMSG_ERROR.
func diagErrno(data []byte) error {
	if len(data) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(data)))
}

func parseDiag(m []byte) (tcpSocket, bool) {
	if len(m) < diagAnswerSize {
		return tcpSocket{}, false
	}
	size := 4
	if m[0] == unix.AF_INET6 {
		size = 16
	}
	ip, _ := netip.AddrFromSlice(m[diagAddrAt : diagAddrAt+size])
	return tcpSocket{
		local: netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(m[diagPortAt:])),
		inode: uint64(binary.NativeEndian.Uint32(m[diagInodeAt:])),
	}, true
}
