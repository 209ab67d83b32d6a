package multicast

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for size bytes, by privilege where there is one, and
// returns what the kernel gave.
func setReceiveBuffer(raw syscall.RawConn, size int) (got int, err error) {
	ctlErr := raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
		if err == nil {
			got, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
	})
	if ctlErr != nil {
		err = ctlErr
	}
	if err != nil {
		return 0, fmt.Errorf("setting the receive buffer: %w", err)
	}
	return got, nil
}

// socketDrops reads SK_MEMINFO_DROPS, the last of the nine counters of
// SO_MEMINFO (Linux 4.12 and later; 0 before).
func socketDrops(fd int) uint64 {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(info[unix.SK_MEMINFO_DROPS])
}
