// Package port finds ports for tests, which listen on them some time after: while they
// do, no other test gets the same, in whatever process, and no outgoing connection.
package port

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Ports of tests. The kernel takes those of outgoing connections, and of listeners that
// ask for any, from 32768 on (ip_local_port_range); scripts name some from 28000 on.
const (
	first = 10_000
	end   = 28_000
)

// Free returns a port that nothing on this machine listens on, over TCP or UDP. It is
// the test's until its end.
func Free(t testing.TB) uint16 {
	t.Helper()
	for range 10 * (end - first) {
		port := first + rand.IntN(end-first)
		if claim(t, port) && isFree(t, port) {
			return uint16(port)
		}
	}
	t.Fatalf("no port from %d to %d is free", first, end-1)
	return 0
}

// claim takes a port for t among all tests of this machine: the kernel gives a name in
// the abstract namespace once, and takes it back when the process ends, however it does.
func claim(t testing.TB, port int) bool {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: "@daisy-mcast/test/port/" + strconv.Itoa(port)})
	if err != nil {
		return false
	}
	t.Cleanup(func() { l.Close() })
	return true
}

// isFree reports whether no socket has a port. It opens none to try: a process that is
// being forked meanwhile would hold it for a moment longer.
func isFree(t testing.TB, port int) bool {
	t.Helper()
	local := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/net/" + table)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], local) {
				return false
			}
		}
	}
	return true
}
