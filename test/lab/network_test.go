package lab_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

var group = net.UDPAddr{IP: net.IPv4(239, 192, 77, 99), Port: 5000}

// join opens a socket in the host that gets what is sent to the group.
func join(t *testing.T, h *lab.Host) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := h.Within(func() error {
		ifi, err := net.InterfaceByName(h.Device())
		if err == nil {
			conn, err = net.ListenMulticastUDP("udp4", ifi, &group)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	hold(t, conn, 4<<20)
	return conn
}

// hold gives a socket a buffer for what comes while nobody reads, however little
// net.core.rmem_max allows.
func hold(t *testing.T, conn *net.UDPConn, bytes int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errSet error
	err = raw.Control(func(fd uintptr) {
		errSet = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
	})
	if err := errors.Join(err, errSet); err != nil {
		t.Fatal(err)
	}
}

// send sends datagrams of 100 bytes from the host to the group.
func send(t *testing.T, h *lab.Host, count int) {
	t.Helper()
	var conn *net.UDPConn
	err := h.Within(func() (err error) {
		conn, err = net.DialUDP("udp4", &net.UDPAddr{IP: h.Addr().AsSlice()}, &group)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range count {
		if _, err := conn.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
}

// received counts what is there, until nothing more comes for quiet.
func received(t *testing.T, conn *net.UDPConn, quiet time.Duration) int {
	t.Helper()
	buf := make([]byte, 2048)
	for n := 0; ; n++ {
		conn.SetReadDeadline(time.Now().Add(quiet))
		if _, err := conn.Read(buf); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			return n
		}
	}
}

const quiet = 300 * time.Millisecond

func TestMulticastReachesEveryHost(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "h1", "h2")})
	c1, c2 := join(t, l.Host("h1")), join(t, l.Host("h2"))
	send(t, l.Host("sender"), 500)
	for name, conn := range map[string]*net.UDPConn{"h1": c1, "h2": c2} {
		if n := received(t, conn, quiet); n != 500 {
			t.Errorf("%s got %d datagrams, want 500", name, n)
		}
	}
}

func TestLoseDropsItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "lossy", "fine")})
	lossy, fine := join(t, l.Host("lossy")), join(t, l.Host("fine"))
	if err := l.Host("lossy").Lose(5); err != nil {
		t.Fatal(err)
	}
	send(t, l.Host("sender"), 5000)
	if n := received(t, fine, quiet); n != 5000 {
		t.Errorf("the host without loss got %d datagrams, want 5000", n)
	}
	// 250 lost on average, standard deviation 15.
	if n := received(t, lossy, quiet); n < 4675 || n > 4825 {
		t.Errorf("the host with 5 %% loss got %d datagrams of 5000", n)
	}
	if err := l.Host("lossy").Heal(); err != nil {
		t.Fatal(err)
	}
	send(t, l.Host("sender"), 100)
	if n := received(t, lossy, quiet); n != 100 {
		t.Errorf("after Heal it got %d datagrams, want 100", n)
	}
}

func TestFilterMulticastLeavesUnicast(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "h1")})
	conn := join(t, l.Host("h1"))
	if err := l.Host("h1").FilterMulticast(); err != nil {
		t.Fatal(err)
	}
	send(t, l.Host("sender"), 100)
	if n := received(t, conn, quiet); n != 0 {
		t.Errorf("got %d datagrams through the filter", n)
	}
	if r := l.Host("sender").Run(within(t, 10*time.Second), "ssh-keyscan", "-T", "5", "h1"); r.Stdout == "" {
		t.Errorf("unicast does not get through: %v", r)
	}
}

func TestFilterIGMPBehindASnoopingSwitch(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "h1", "h2"), Snooping: true})
	if err := l.Host("h2").FilterIGMP(); err != nil {
		t.Fatal(err)
	}
	joined, mute := join(t, l.Host("h1")), join(t, l.Host("h2"))
	// Until the querier has spoken the switch floods.
	deadline := time.Now().Add(20 * time.Second)
	for {
		send(t, l.Host("sender"), 50)
		n1, n2 := received(t, joined, quiet), received(t, mute, quiet)
		if n1 == 50 && n2 == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the host that joined got %d of 50, the one whose joins are lost %d, want 50 and 0", n1, n2)
		}
	}
}

func TestBlockTCPDropsOnePort(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1", "h2")})
	if err := l.Host("h1").BlockTCP(22); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 20*time.Second)
	if r := l.Host("h2").Run(ctx, "ssh-keyscan", "-T", "1", "h1"); r.Stdout != "" {
		t.Errorf("port 22 is open: %v", r)
	}
	if r := l.Host("h1").Run(ctx, "ssh-keyscan", "-T", "5", "h2"); r.Stdout == "" {
		t.Errorf("the other way is closed: %v", r)
	}
}

func TestLimitRateHoldsTheSenderBack(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "h1")})
	conn := join(t, l.Host("h1"))
	if err := l.Host("sender").LimitRate("8mbit"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	send(t, l.Host("sender"), 5000) // 5000 x 142 bytes on the wire: 710 ms, less burst and buffers
	if n := received(t, conn, quiet); n != 5000 {
		t.Errorf("got %d datagrams, want 5000: bed A drops nothing", n)
	}
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("710 kB took %v at 8 Mb/s", took)
	}
}

func TestHostsOnTwoNetworks(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Networks: []string{"office", lab.Management}, Hosts: []lab.HostConfig{
		{Name: "deploy", Networks: []string{"office"}},
		{Name: "jump", Networks: []string{"office", lab.Management}},
		{Name: "h1"},
	}})
	ctx := within(t, 30*time.Second)
	deploy, jump, h1 := l.Host("deploy"), l.Host("jump"), l.Host("h1")
	if err := deploy.Operator(ctx, "root", "root", jump, h1); err != nil {
		t.Fatal(err)
	}
	if r := deploy.Run(ctx, "ssh", "-o", "ConnectTimeout=1", h1.Addr().String(), "true"); r.OK() {
		t.Error("deploy reaches h1 without the jump host")
	}
	if r := deploy.Run(ctx, "ssh", "-J", "jump", h1.Addr().String(), "hostname"); r.Stdout != "h1\n" {
		t.Errorf("through the jump host: %v", r)
	}
}
