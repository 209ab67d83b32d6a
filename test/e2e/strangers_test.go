package e2e

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// daisyGroup and daisyPort are those of Daisy's wire.
var daisyGroup = &net.UDPAddr{IP: net.IPv4(224, 238, 0, 31), Port: daisyPort}

const daisyPort = 18383

// TestFault47ForgedPackets: somebody on the same segment sends packets with
// right sums and sequence numbers to the group, all the time, on Daisy's wire.
// TestFault47And49StrangersPackets is its sibling on ours.
func TestFault47ForgedPackets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Extra: []lab.HostConfig{{Name: "stranger"}}})
	stranger := f.Host("stranger")
	f.protocol = "jasmine"
	b := bigBundle(t)
	path := f.put(b)
	f.must(f.deploy.LimitRate("100mbit"))
	var conn *net.UDPConn
	f.must(stranger.Within(func() (err error) {
		conn, err = net.DialUDP("udp4", &net.UDPAddr{IP: stranger.Addr().AsSlice()}, daisyGroup)
		return err
	}))
	stop, stopped := make(chan struct{}), make(chan int)
	go func() { stopped <- forge(conn, stop) }()
	r := f.distribute(path)
	close(stop)
	if sent := <-stopped; sent < 1000 {
		t.Errorf("only %d packets were forged", sent)
	}
	conn.Close()
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
}

// forge sends jasmine data packets of zeros until stop, and counts them.
func forge(conn *net.UDPConn, stop <-chan struct{}) int {
	packet := make([]byte, 12+1460)
	binary.LittleEndian.PutUint32(packet[8:], 1460) // the sum of zeros is zero
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-stop:
			return n
		case <-tick.C:
			for range 4 {
				binary.LittleEndian.PutUint32(packet, uint32(n%12000))
				conn.Write(packet)
				n++
			}
		}
	}
}

// TestFault40And62Strangers: a stranger holds many connections to the sender's
// port that say nothing. The hosts join all the same.
func TestFault40And62Strangers(t *testing.T) {
	c := fleetConfig{Targets: 2, Extra: []lab.HostConfig{{Name: "stranger"}}}
	eachCarrier(t, c, func(f *fleet, port int) {
		b := bigBundle(f.t)
		path := f.put(b)
		stop, held := make(chan struct{}), make(chan int)
		address := netip.AddrPortFrom(f.deploy.Addr(), uint16(port)).String()
		go func() { held <- hold(f.Host("stranger"), address, stop) }()
		r := f.distribute(path)
		close(stop)
		if n := <-held; n == 0 {
			f.t.Error("the stranger never got a connection")
		}
		r.wantCode(exitLocal)
		f.wantLocal(r, b, f.targets...)
		f.wantNoStrays(f.targets...)
	})
}

// hold opens up to 200 connections and keeps them until stop.
func hold(from *lab.Host, address string, stop <-chan struct{}) int {
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	opened := 0
	for {
		select {
		case <-stop:
			return opened
		case <-time.After(2 * time.Millisecond):
		}
		if len(conns) == 200 {
			continue
		}
		if conn, err := from.Dial("tcp4", address); err == nil {
			conns = append(conns, conn)
			opened++
		}
	}
}
