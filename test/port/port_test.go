package port_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// TestFree: no port twice while a test has it, and none that a socket has.
func TestFree(t *testing.T) {
	had := make(map[uint16]bool)
	for range 200 {
		p := port.Free(t)
		if had[p] {
			t.Fatalf("%d is given twice", p)
		}
		had[p] = true
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p)})
		if err != nil {
			t.Fatal(err)
		}
		tcp.Close()
	}
	t.Run("by another", func(t *testing.T) {
		if p := port.Free(t); had[p] {
			t.Errorf("%d is given twice", p)
		}
	})
}

func TestATakenPortIsNotFree(t *testing.T) {
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp6", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, a := range []net.Addr{tcp.Addr(), udp.LocalAddr()} {
		p := int(netip.MustParseAddrPort(a.String()).Port())
		if port.TestOnlyIsFree(t, p) {
			t.Errorf("%v is said to be free", a)
		}
	}
}
