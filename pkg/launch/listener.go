package launch

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Socket is a listening TCP socket.
type Socket struct {
	// PID is the process that holds it, the lowest when several do; 0 when that
	// cannot be seen: a process of another user, or of another mount of /proc.
	PID     int
	Command string         // /proc/PID/comm
	Local   netip.AddrPort // may be a wildcard address
}

// Listener returns the socket that takes connections to addr in this process's
// network namespace, or ErrNoListener. A wildcard socket on addr's port takes
// them too, unless there is one on the address itself.
func Listener(addr netip.AddrPort) (Socket, error) {
	var seen uint64 // the inode of a socket that nobody seemed to hold
	for {
		all, err := listening()
		if err != nil {
			return Socket{}, err
		}
		found, ok := pick(all, addr)
		if !ok {
			return Socket{}, fmt.Errorf("%w on %s", ErrNoListener, addr)
		}
		s := Socket{Local: found.local}
		if s.PID, err = holder(found.inode); err != nil {
			return Socket{}, err
		}
		if s.PID != 0 {
			s.Command = command(s.PID)
		}
		if s.PID != 0 || seen == found.inode {
			return s, nil
		}
		seen = found.inode // it may have been closed meanwhile
	}
}

// A tcpSocket is a listening socket as the kernel lists it.
type tcpSocket struct {
	local netip.AddrPort
	inode uint64
}

// pick returns the socket that takes connections to addr: its own, the
// wildcard of its family, or IPv6's, which takes IPv4 too unless it was told not
// to; that is not looked at.
func pick(all []tcpSocket, addr netip.AddrPort) (tcpSocket, bool) {
	ip := addr.Addr().Unmap()
	takers := []netip.Addr{ip, netip.IPv6Unspecified()}
	if ip.Is4() {
		takers = []netip.Addr{ip, netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, t := range takers {
		for _, s := range all {
			if s.local == netip.AddrPortFrom(t, addr.Port()) {
				return s, true
			}
		}
	}
	return tcpSocket{}, false
}

// listening returns the listening sockets of this process's network namespace.
func listening() ([]tcpSocket, error) {
	all, err := diagListening()
	if errors.Is(err, errNoDiag) {
		return listeningByProc()
	}
	return all, err
}

// listeningByProc reads both tables of /proc/net.
func listeningByProc() ([]tcpSocket, error) {
	var all []tcpSocket
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(table, "6") {
			continue // IPv6 is switched off
		}
		if err != nil {
			return nil, fmt.Errorf("listing TCP sockets: %w", err)
		}
		sockets, err := parseTCP(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("listing TCP sockets in %s: %w", table, err)
		}
		all = append(all, sockets...)
	}
	return all, nil
}

// parseTCP returns the listening sockets of a table (proc_pid_net(5)). The
// fields are: slot, local address, remote address, state, and the inode as the
// tenth. Lines that are not such are passed over: a table changes while read.
func parseTCP(r io.Reader) ([]tcpSocket, error) {
	const stateListen = "0A"
	var all []tcpSocket
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != stateListen {
			continue
		}
		local, ok := parseTCPAddr(f[1])
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if !ok || err != nil {
			continue
		}
		all = append(all, tcpSocket{local: local, inode: inode})
	}
	return all, lines.Err()
}

// parseTCPAddr reads "0100007F:0FA0". An address is printed as 32-bit words in
// the machine's order, which is little-endian wherever this program is built for.
func parseTCPAddr(text string) (netip.AddrPort, bool) {
	hexIP, hexPort, ok := strings.Cut(text, ":")
	if !ok || len(hexIP) > 32 {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(hexIP)
	port, portErr := strconv.ParseUint(hexPort, 16, 16)
	if err != nil || portErr != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), ok
}

// holder returns the lowest process that has the socket open, or 0.
func holder(inode uint64) (int, error) {
	pids, err := processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		// A process that is gone or another user's is not the answer.
		if held, err := heldSockets(pid); err == nil && held[inode] {
			return pid, nil
		}
	}
	return 0, nil
}

// processes lists the processes in ascending order.
func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// heldSockets returns the inodes of a process's sockets.
func heldSockets(pid int) (map[uint64]bool, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the sockets of process %d: %w", pid, err)
	}
	held := make(map[uint64]bool)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		digits, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 64); err == nil {
			held[inode] = true
		}
	}
	return held, nil
}

// listenersOf returns what a process listens on, sorted.
func listenersOf(pid int) ([]netip.AddrPort, error) {
	held, err := heldSockets(pid)
	if err != nil {
		return nil, err
	}
	all, err := listening()
	if err != nil {
		return nil, err
	}
	var own []netip.AddrPort
	for _, s := range all {
		if held[s.inode] {
			own = append(own, s.local)
		}
	}
	slices.SortFunc(own, netip.AddrPort.Compare)
	return own, nil
}

// command returns a process's name, made fit to print.
func command(pid int) string {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return "?"
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return -1
		}
		return r
	}, string(raw))
}
