package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestFault39ConnectionsReset: a host's control connection is reset in the middle.
// It continues, or ends with an error; the others notice nothing.
func TestFault39ConnectionsReset(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	r := h2.RunCmd(within(t, 10*time.Second), lab.Cmd{Args: []string{"nft", "-f", "-"}, Stdin: strings.NewReader(
		"table inet rst { chain i { type filter hook input priority 0; tcp sport " + nativePort + " tcp flags & rst == rst accept;" +
			" tcp sport " + nativePort + " reject with tcp reset; }; }\n")})
	if !r.OK() {
		t.Fatal(r)
	}
	got := c.end(40*time.Second, sum)
	got.wantDone(x.others(h2)...)
	got.wantNotHeldUp(without, x.others(h2)...)
	if got.got[h2].OK() != (got.sent.Code == 0) {
		t.Errorf("the sender does not say what h2 does: %v", got.sent)
	}
	x.wantNoProcesses()
}

// TestFault40SilentConnectionsNative: a stranger holds hundreds of connections that
// say nothing, and others that say what is no TLS (fault 53). The hosts join all the
// same.
func TestFault40And53StrangersNative(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit", Extra: []lab.HostConfig{{Name: "stranger"}}})
	sum := x.put(castBytes)
	stranger, address := x.Host("stranger"), x.sender.Addr().String()+":"+nativePort
	c := x.beginSender()
	for i := range 500 {
		conn, err := stranger.Dial("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch i % 4 {
		case 1:
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		case 2:
			fmt.Fprint(conn, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage")
		case 3:
			conn.Write(make([]byte, 4096))
		}
	}
	for _, h := range x.hosts {
		c.receive(h)
	}
	r := c.end(40*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	if n := strings.Count(r.sent.Stderr, "connection refused"); n < 1 || n > 3 {
		t.Errorf("the sender's log has %d lines about one stranger:\n%s", n, r.sent.Stderr)
	}
}

// TestFault42CableOutAndIn: two seconds without a network.
func TestFault42CableOutAndIn(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	x.must(h2.Unplug())
	time.Sleep(2 * time.Second) // what the fault is
	x.must(h2.Plug())
	r := c.end(40*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.others(h2)...)
}

// TestFault42AddressGone: a host loses its address for good. It ends with an error,
// and so does the sender's account of it.
func TestFault42AddressGone(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	x.must(h2.Shell(t.Context(), "ip addr flush dev "+h2.Device()+" && ip addr add 10.20.11.77/24 dev "+h2.Device()))
	r := c.end(60*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantFailed(h2, "sender")
	r.wantSent(exitFailed, h2.Addr().String()+": silent", "2 of 3")
	r.wantNotHeldUp(without, x.others(h2)...)
}

// TestFault43Multihomed: every host is on two networks, and the route for multicast
// is by the other one. The address that is named decides.
func TestFault43Multihomed(t *testing.T) {
	t.Parallel()
	both := []string{lab.Management, "office"}
	x := newCast(t, castConfig{Hosts: 2, Networks: map[string][]string{"deploy": both, "h1": both, "h2": both}})
	sum := x.put(4 << 20)
	for _, h := range x.Hosts() {
		other := fmt.Sprintf("ip -o addr show to %s | awk '{print $2}'", h.AddrOn("office"))
		x.must(h.Shell(t.Context(), "ip route replace 224.0.0.0/4 dev $("+other+")"))
	}
	r := x.begin(x.hosts).end(20*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	if _, _, _, single := r.figures(); single > 0 {
		t.Errorf("%d packets came over TCP: %v", single, r.sent)
	}
	bad := x.Host("h1").Run(within(t, 10*time.Second), "daisy-mcast", "receive", "--local-ip", "10.99.0.1",
		"--token-file", tokenFile, "--out", outFile)
	if bad.Code != exitUsage || !strings.Contains(bad.Stderr, "10.99.0.1") {
		t.Errorf("an address that is not of this host: %v", bad)
	}
}

// TestFault44ControlBlockedNative: a firewall lets a host reach nothing of the
// sender. It gives up by its deadline, and is not waited for beyond the sender's.
func TestFault44ControlBlockedNative(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h2 := x.Host("h2")
	x.must(h2.BlockTCPTo(18384))
	c := x.beginSender("--join-timeout", "3s")
	for _, h := range x.others(h2) {
		c.receive(h)
	}
	c.receive(h2, "--connect-timeout", "3s")
	r := c.end(30*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantFailed(h2, "reaching the sender")
	r.wantSent(exitFailed, "did not join", "2 of 3")
	if took := r.got[h2].Took; took > 6*time.Second {
		t.Errorf("h2 gave up after %v, not 3 s", took)
	}
}

// TestFault45NoMulticastAtAll: the network lets no group through. Every host says so
// and has the stream over TCP.
func TestFault45NoMulticastAtAll(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3, Rate: "200mbit"})
	sum := x.put(8 << 20)
	for _, h := range x.hosts {
		x.must(h.FilterMulticast())
	}
	r := x.begin(x.hosts).end(40*time.Second, sum)
	r.wantSent(0, "no multicast received")
	r.wantDone(x.hosts...)
	for _, h := range x.hosts {
		wantWords(t, h.Name(), r.got[h].Stderr, "no multicast received")
	}
	r.wantEgress(8<<20, 3.8) // three times TCP, and a quarter of a second at the first rate
}

// TestFault46Competition: a TCP stream to one of the hosts shares the switch's port
// with the group. Both get on.
func TestFault46Competition(t *testing.T) {
	t.Parallel()
	lab.Need(t, "iperf3")
	const rate = 100e6
	x := newCast(t, castConfig{Hosts: 2, Extra: []lab.HostConfig{{Name: "other"}}})
	h1, other := x.Host("h1"), x.Host("other")
	for _, h := range x.hosts {
		x.must(x.Switch(lab.Management).LimitPort(h.Name(), "100mbit"))
	}
	server, err := h1.Iperf(within(t, 10*time.Second), h1.Addr().String()+":5201")
	x.must(err)
	defer server.Stop(time.Second)
	sum := x.put(castBytes)
	tcp, err := other.Start(lab.Cmd{Args: []string{"iperf3", "--client", h1.Addr().String(), "--time", "4", "--json"}})
	x.must(err)
	time.Sleep(300 * time.Millisecond) // it is under way
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	var said struct {
		End struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	result := tcp.WaitContext(within(t, 20*time.Second))
	x.must(json.Unmarshal([]byte(result.Stdout), &said))
	t.Logf("TCP had %.1f Mb/s of 100 for 4 s; the group took %v for what needs 2.1 s alone", said.End.Received.Rate/1e6, r.slowest(x.hosts...))
	if said.End.Received.Rate < rate/5 {
		t.Errorf("TCP was starved: %.1f Mb/s", said.End.Received.Rate/1e6)
	}
	if took := r.unhindered(x.hosts...); took > 12*time.Second {
		t.Errorf("the group was starved: it took %v", took)
	}
	r.wantEgress(castBytes, 1.5)
}
