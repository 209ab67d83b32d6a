package multicast

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// TestSenderSocketOptions: what a sender is told is what its socket does; by default
// packets stay in this network, are of no class, and are heard on this host.
func TestSenderSocketOptions(t *testing.T) {
	lo := loopback(t)
	for _, tt := range []struct {
		name           string
		cfg            SenderConfig
		ttl, tos, loop int
	}{
		{"default", SenderConfig{}, 1, 0, 1},
		{"all", SenderConfig{TTL: 7, DSCP: 46, ECN: true, NoLoop: true}, 7, 46<<2 | 2, 0},
		{"ECN", SenderConfig{ECN: true}, 1, 2, 1},
	} {
		tt.cfg.Group = netip.AddrPortFrom(testGroup, port.Free(t))
		tt.cfg.Interface, tt.cfg.Local = lo, netip.MustParseAddr("127.0.0.1")
		s, err := Dial(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for name, o := range map[string]struct{ option, want int }{
			"TTL":  {unix.IP_MULTICAST_TTL, tt.ttl},
			"TOS":  {unix.IP_TOS, tt.tos},
			"loop": {unix.IP_MULTICAST_LOOP, tt.loop},
		} {
			if got, err := unix.GetsockoptInt(s.sock.fd, unix.IPPROTO_IP, o.option); err != nil || got != o.want {
				t.Errorf("%s: %s is %d (%v), want %d", tt.name, name, got, err, o.want)
			}
		}
	}
}

// TestKernelThatDoesNotCut: where a run is refused - here because its checksums are off -
// its datagrams leave one by one, and so do all later ones.
func TestKernelThatDoesNotCut(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	r := listen(t, ReceiverConfig{Group: group})
	s := dial(t, group, "127.0.0.1")
	if err := unix.SetsockoptInt(s.sock.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.SendRun([]byte("aabbc"), 2); err != nil {
			t.Fatal(err)
		}
		for i, got := range collect(t, r, 3) {
			if want := "127.0.0.1 " + []string{"aa", "bb", "c"}[i]; got != want {
				t.Errorf("datagram %d is %q, want %q", i, got, want)
			}
		}
	}
	if s.runs.segment || s.Unsent() != 0 {
		t.Errorf("runs are still sent: %v; %d datagrams were not", s.runs.segment, s.Unsent())
	}
}

// TestUnicastIsNotHeard: a datagram to the port, but not to the group, is none of ours.
func TestUnicastIsNotHeard(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	r := listen(t, ReceiverConfig{Group: group})
	c, err := net.Dial("udp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), group.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("unicast")) // refused by the next write at the latest
	s := dial(t, group, "127.0.0.1")
	if err := s.SendRun([]byte("ours"), 4); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, 1); got[0] != "127.0.0.1 ours" {
		t.Errorf("heard %q", got)
	}
}
