package launch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// table is /proc/net/tcp as a kernel 6.1 printed it: two listeners, and a
// connection on the port of one.
const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24680 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13579 1 0000000000000000 100 0 0 10 0
   2: 0100007F:0FA0 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 11111 1 0000000000000000 20 4 30 10 -1
`

const table6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22222 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:0FA1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33333 1 0000000000000000 100 0 0 10 0
   2: B80D01200000000000000000BA98FEDC:0FA2 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44444 1 0000000000000000 100 0 0 10 0
`

func TestR8ParseTCP(t *testing.T) {
	all, err := parseTCP(strings.NewReader(table + table6))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"127.0.0.1:4000 24680", "0.0.0.0:22 13579", "[::]:8080 22222", "127.0.0.1:4001 33333", "[2001:db8::dcfe:98ba]:4002 44444"}
	if len(all) != len(want) {
		t.Fatalf("got %v, want %v", all, want)
	}
	for i, w := range want {
		addr, inode, _ := strings.Cut(w, " ")
		if all[i].local != netip.MustParseAddrPort(addr) || inode != strconv.FormatUint(all[i].inode, 10) {
			t.Errorf("got %v, want %s", all[i], w)
		}
	}
}

func TestR8Pick(t *testing.T) {
	socket := func(addr string, inode uint64) tcpSocket {
		return tcpSocket{local: netip.MustParseAddrPort(addr), inode: inode}
	}
	all := []tcpSocket{
		socket("0.0.0.0:4000", 1), socket("127.0.0.1:4000", 2), socket("[::]:4001", 3),
		socket("0.0.0.0:4002", 4), socket("[::1]:4003", 5),
	}
	for addr, want := range map[string]uint64{
		"127.0.0.1:4000":          2, // its own goes before the wildcard
		"[::ffff:127.0.0.1]:4000": 2,
		"192.0.2.1:4000":          1,
		"127.0.0.1:4001":          3, // IPv6's wildcard takes IPv4
		"[::1]:4001":              3,
		"[::1]:4002":              0,
		"127.0.0.1:4003":          0,
		"127.0.0.1:4004":          0,
	} {
		if got, ok := pick(all, netip.MustParseAddrPort(addr)); ok != (want != 0) || got.inode != want {
			t.Errorf("%s: %v, %v; want %d", addr, got, ok, want)
		}
	}
}

func TestR8Listener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	sock, err := Listener(addr)
	if err != nil || sock.PID != os.Getpid() || sock.Local != addr || sock.Command == "" || strings.ContainsFunc(sock.Command, isControl) {
		t.Errorf("%+v, %v", sock, err)
	}
	if own, err := listenersOf(os.Getpid()); err != nil || len(own) == 0 {
		t.Errorf("own listeners %v, %v", own, err)
	}
	l.Close()
	if sock, err := Listener(addr); !errors.Is(err, ErrNoListener) {
		t.Errorf("after its end: %+v, %v", sock, err)
	}
}

// TestR8BothTables: sock_diag and /proc name the same sockets.
func TestR8BothTables(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Log(err) // IPv6 may be off
			continue
		}
		defer l.Close()
		want := netip.MustParseAddrPort(l.Addr().String())
		diag, err := diagListening()
		if errors.Is(err, errNoDiag) {
			t.Skip(err)
		}
		proc, procErr := listeningByProc()
		if err := errors.Join(err, procErr); err != nil {
			t.Fatal(err)
		}
		one, ok := pick(diag, want)
		other, procOK := pick(proc, want)
		if !ok || !procOK || one != other || one.local != want {
			t.Errorf("%v: %v, and by /proc %v", want, one, other)
		}
	}
}

// TestR8NoDiag: what the kernel says when it has no sock_diag for TCP.
func TestR8NoDiag(t *testing.T) {
	err := diagErrno([]byte{0xfe, 0xff, 0xff, 0xff})
	if !errors.Is(err, unix.ENOENT) || !errors.Is(diagErrno(nil), unix.EBADMSG) {
		t.Errorf("got %v", err)
	}
	if s, ok := parseDiag(make([]byte, diagAnswerSize-1)); ok {
		t.Errorf("a short answer gives %v", s)
	}
}

func FuzzParseTCP(f *testing.F) {
	f.Add(table)
	f.Add(table6)
	f.Add("0: : : 0A 1 1 1 1 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseTCP(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range all {
			if !s.local.IsValid() || s.local.Addr().Is4In6() {
				t.Errorf("%q gives %v", text, s)
			}
		}
	})
}
