package jasmine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// replayTimeout ends a replay that hangs.
const replayTimeout = 5 * time.Second

// The recorded clients meet our server: every byte that it sends, by TCP and by
// multicast, must be the recorded server's, and so must the order of both.
func TestReplayRecordedClients(t *testing.T) {
	for i, v := range vectors(t) {
		t.Run(v.Scenario, func(t *testing.T) {
			local := netip.AddrFrom4([4]byte{127, 0, 77, byte(1 + i)})
			heard := record(t, netip.AddrPortFrom(DefaultGroup(), DefaultPort), local)
			ln := listenTCP(t, local)
			server := mustServer(t, ServerConfig{LocalIP: local, Clients: v.Clients})
			var wg sync.WaitGroup
			// The events of one client are in order; two clients are not in step.
			for n := 1; n <= v.Clients; n++ {
				conn := dialTCP(t, ln.Addr())
				wg.Go(func() { playClient(t, conn, v, n) })
			}
			result, err := server.Serve(t.Context(), ln, bytes.NewReader(unhex(t, v.Payload)))
			wg.Wait()
			if err != nil || !result.Complete() {
				t.Fatalf("Serve: %v, %+v", err, result)
			}
			for n, e := range v.Events {
				if e.UDP == "" {
					continue
				}
				select {
				case got := <-heard:
					if want := fmt.Sprintf("ttl %d: %s", e.TTL, e.Hex); got != want {
						t.Fatalf("event %d: the datagram is\n%.60s..., want\n%.60s...", n, got, want)
					}
				case <-time.After(replayTimeout):
					t.Fatalf("event %d: no datagram", n)
				}
			}
		})
	}
}

// playClient plays the recorded client number n.
func playClient(t *testing.T, conn net.Conn, v vector, n int) {
	for i, e := range v.Events {
		if e.Client != n {
			continue
		}
		want := unhex(t, e.Hex)
		if e.TCP == fromClient {
			if _, err := conn.Write(want); err != nil {
				t.Errorf("event %d: %v", i, err)
				return
			}
			continue
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("event %d: client %d got %x, %v, want %x", i, n, got, err, want)
			return
		}
	}
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last event: %d bytes, %v, want the end", n, err)
	}
}

// record hears what from sends to group, with the TTL. The channel has room for
// a whole recorded session.
func record(t *testing.T, group netip.AddrPort, from netip.Addr) <-chan string {
	t.Helper()
	lo, err := multicast.InterfaceOf(from)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenMulticastUDP("udp4", lo, net.UDPAddrFromAddrPort(group))
	if err != nil {
		t.Fatal(err)
	}
	pc := ipv4.NewPacketConn(conn)
	if err := pc.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 2000)
		for {
			n, cm, src, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if src.(*net.UDPAddr).AddrPort().Addr().Unmap() == from {
				out <- fmt.Sprintf("ttl %d: %x", cm.TTL, b[:n])
			}
		}
	})
	t.Cleanup(func() { conn.Close(); wg.Wait() })
	return out
}

// The recorded server meets our clients: every byte that they send must be the
// recorded clients', and what they write the recorded input. A client that asked
// for packets again is made to miss those.
func TestReplayRecordedServer(t *testing.T) {
	for i, v := range vectors(t) {
		t.Run(v.Scenario, func(t *testing.T) {
			local := netip.AddrFrom4([4]byte{127, 0, 78, byte(1 + i)})
			ln := listenTCP(t, local)
			outputs := make([]bytes.Buffer, v.Clients+1)
			var wg sync.WaitGroup
			conns := make([]net.Conn, v.Clients+1)
			for n := 1; n <= v.Clients; n++ {
				client := mustClient(t, ClientConfig{
					LocalIP: local, Server: addrPort(ln.Addr()),
					testOnlyListen: missing(local, requested(t, v, n)),
				})
				wg.Go(func() {
					if _, err := client.Receive(t.Context(), &outputs[n]); err != nil {
						t.Errorf("client %d: %v", n, err)
					}
				})
				conns[n] = accept(t, ln)
			}
			playServer(t, local, conns, v)
			wg.Wait()
			for n := 1; n <= v.Clients; n++ {
				if got := outputs[n].Bytes(); !bytes.Equal(got, unhex(t, v.Payload)) {
					t.Errorf("client %d wrote %d bytes that are not the input", n, len(got))
				}
			}
		})
	}
}

// playServer plays all events in order.
func playServer(t *testing.T, local netip.Addr, conns []net.Conn, v vector) {
	t.Helper()
	group := netip.AddrPortFrom(DefaultGroup(), DefaultPort)
	s := dialMulticast(t, group, local)
	for i, e := range v.Events {
		b := unhex(t, e.Hex)
		var err error
		switch {
		case e.UDP != "":
			err = s.Send([][][]byte{{b}})
		case e.TCP == fromServer:
			_, err = conns[e.Client].Write(b)
		default:
			got := make([]byte, len(b))
			if _, err = io.ReadFull(conns[e.Client], got); err == nil && !bytes.Equal(got, b) {
				t.Fatalf("event %d: client %d sent %x, want %x", i, e.Client, got, b)
			}
		}
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	for _, c := range conns[1:] {
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after the last event: %d bytes, %v, want the end", n, err)
		}
	}
}

// requested returns the sequence numbers that the recorded client asked for.
func requested(t *testing.T, v vector, n int) map[uint32]bool {
	var all []byte
	for _, e := range v.Events {
		if e.Client == n && e.TCP == fromClient {
			all = append(all, unhex(t, e.Hex)...)
		}
	}
	seqs := map[uint32]bool{}
	for len(all) > 0 {
		op := all[0]
		all = all[1:]
		if op != opReq {
			continue
		}
		count := binary.LittleEndian.Uint32(all)
		for i := range count {
			seqs[binary.LittleEndian.Uint32(all[4+4*i:])] = true
		}
		all = all[4+4*count:]
	}
	return seqs
}

// missing makes a receiver on local's interface that loses seqs.
func missing(local netip.Addr, seqs map[uint32]bool) func(netip.AddrPort) (packetReceiver, error) {
	return faulty(local, func(p multicast.Packet) []multicast.Packet {
		if seqs[wireOrder.Uint32(p.Data)] {
			return nil
		}
		return []multicast.Packet{p}
	})
}

// A big-endian server is told by its first message.
func TestBigEndianServer(t *testing.T) {
	local := netip.MustParseAddr("127.0.79.1")
	group := netip.AddrPortFrom(DefaultGroup(), port.Free(t))
	ln := listenTCP(t, local)
	client := mustClient(t, ClientConfig{LocalIP: local, Server: addrPort(ln.Addr())})
	var out bytes.Buffer
	done := make(chan error, 1)
	go func() { _, err := client.Receive(context.Background(), &out); done <- err }()
	conn := accept(t, ln)
	order := binary.BigEndian
	s := dialMulticast(t, group, local)
	packet := func(seq uint32, text string) []byte {
		return append(appendHeader(nil, order, seq, []byte(text)), text...)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want)/2)
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Fatalf("got %x, %v, want %s", got, err, want)
		}
	}
	conn.Write(groupInfo(order, group))
	conn.Write(bufferInfo{ID: 1, Size: 9, Count: 2}.bytes(order))
	expect("01")
	if err := s.Send([][][]byte{{packet(1, "world")}}); err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte{opSent})
	expect("02" + "00000001" + "00000000")
	conn.Write(packet(0, "big "))
	expect("04")
	conn.Write(bufferInfo{ID: 2, Base: 2}.bytes(order))
	expect("01")
	conn.Write([]byte{opSent})
	expect("04")
	if err := <-done; err != nil || out.String() != "big world" {
		t.Errorf("wrote %q, %v", &out, err)
	}
}
