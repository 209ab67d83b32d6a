package jasmine

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
)

// A script is a server played by hand, with one real client.
type script struct {
	t      *testing.T
	conn   net.Conn
	sender *multicast.Sender
	client *Client
	out    bytes.Buffer
	done   chan error
}

// newScript connects a client and sends the group info.
func newScript(t *testing.T, local netip.Addr, group netip.AddrPort, change ...func(*ClientConfig)) *script {
	t.Helper()
	ln := listenTCP(t, local)
	cfg := ClientConfig{LocalIP: local, Server: addrPort(ln.Addr())}
	for _, f := range change {
		f(&cfg)
	}
	s := &script{t: t, client: mustClient(t, cfg), done: make(chan error, 1)}
	go func() { _, err := s.client.Receive(t.Context(), &s.out); s.done <- err }()
	s.conn = accept(t, ln)
	if group.Addr().IsMulticast() {
		s.sender = dialMulticast(t, group, local)
	}
	s.write(groupInfo(wireOrder, group))
	return s
}

func (s *script) write(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) info(id, size, base, count uint32) {
	s.t.Helper()
	s.write(bufferInfo{id, size, base, count}.bytes(wireOrder))
}

// expect reads bytes from the client.
func (s *script) expect(want ...byte) {
	s.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s.conn, got); err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("the client sent %x, %v, want %x", got, err, want)
	}
}

func packetBytes(seq uint32, payload string) []byte {
	return append(appendHeader(nil, wireOrder, seq, []byte(payload)), payload...)
}

func (s *script) multicast(seq uint32, payload string) {
	s.t.Helper()
	if err := s.sender.Send([][][]byte{{packetBytes(seq, payload)}}); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the client.
func (s *script) end() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(10 * time.Second):
		s.t.Fatal("the client does not end")
		return nil
	}
}
