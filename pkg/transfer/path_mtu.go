package transfer

import (
	"net"

	"golang.org/x/sys/unix"
)

// tcpOverhead is what IPv4 and TCP add to a segment without options, and
// tcpStamp what the option of timestamps does, which hasStamps in TCP_INFO's options
// tells of (TCPI_OPT_TIMESTAMPS of linux/tcp.h).
const (
	tcpOverhead = 20 + 20
	tcpStamp    = 12
	hasStamps   = 1
)

// pathMTU returns the largest IP packet that the kernel sends over a connection: what
// the peer's interface takes, which its SYN tells, or less where routers said so. It is 0
// where nobody knows.
func pathMTU(c net.Conn) int {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0
	}
	mtu := 0
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Snd_mss == 0 {
			return
		}
		mtu = int(info.Snd_mss) + tcpOverhead
		if info.Options&hasStamps != 0 {
			mtu += tcpStamp
		}
	})
	return mtu
}
