package jasmine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

var scriptLocal = netip.MustParseAddr("127.0.0.41")

func scriptGroup(t *testing.T) netip.AddrPort {
	return netip.AddrPortFrom(DefaultGroup(), port.Free(t))
}

// Fault 52, the client's side: what the server says is bounded before use.
func TestFault52BadServers(t *testing.T) {
	group := scriptGroup(t)
	for _, tt := range []struct {
		name, words string
		play        func(s *script)
	}{
		{"too many packets", "at most 65536", func(s *script) { s.info(1, 1<<31, 0, 1<<31) }},
		{"bytes beyond its packets", "cannot be", func(s *script) { s.info(1, 1<<32-1, 0, 1) }},
		{"empty packets", "cannot be", func(s *script) { s.info(1, 3, 0, 4) }},
		{"a buffer from nowhere", "does not follow", func(s *script) { s.info(7, 10, 0, 1) }},
		{"DONE instead of SENT", "DONE instead of SENT", func(s *script) {
			s.info(1, 4, 0, 1)
			s.expect(opReady)
			s.write([]byte{opDone})
		}},
		{"a repair of 0 bytes", "says it has 0 bytes", func(s *script) {
			s.lackOne()
			s.write(make([]byte, headerSize))
		}},
		{"a repair of 4 GB", "says it has 4294967295 bytes", func(s *script) {
			s.lackOne()
			s.write([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
		}},
		{"a repair with a wrong sum", "wrong sum", func(s *script) {
			s.lackOne()
			b := packetBytes(0, "abcd")
			b[4]++
			s.write(b)
		}},
		{"a repair that does not fit", "does not fit", func(s *script) {
			s.lackOne()
			s.write(packetBytes(0, "too long"))
		}},
		{"a repair that nobody asked for", "does not fit", func(s *script) {
			s.lackOne()
			s.write(packetBytes(9, "abcd"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, scriptLocal, group)
			tt.play(s)
			err := s.end()
			var protocol *ProtocolError
			if !errors.As(err, &protocol) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v, want a ProtocolError with %q", err, tt.words)
			}
			if s.out.Len() > 0 {
				t.Errorf("%d bytes were written", s.out.Len())
			}
		})
	}
}

// lackOne goes to where the client waits for its one packet by TCP.
func (s *script) lackOne() {
	s.t.Helper()
	s.info(1, 4, 0, 1)
	s.expect(opReady)
	s.write([]byte{opSent})
	s.expect(opReq, 1, 0, 0, 0, 0, 0, 0, 0)
}

func TestBadGroup(t *testing.T) {
	s := newScript(t, scriptLocal, netip.MustParseAddrPort("10.1.2.3:5"))
	if err := s.end(); err == nil || !strings.Contains(err.Error(), "not a multicast group") {
		t.Errorf("got %v", err)
	}
}

// Fault 53: what answers is not a server of ours.
func TestFault53NotAServer(t *testing.T) {
	ln := listenTCP(t, scriptLocal)
	client := mustClient(t, ClientConfig{LocalIP: scriptLocal, Server: addrPort(ln.Addr())})
	done := make(chan error, 1)
	go func() { _, err := client.Receive(t.Context(), io.Discard); done <- err }()
	conn := accept(t, ln)
	io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n")
	var protocol *ProtocolError
	if err := <-done; !errors.As(err, &protocol) {
		t.Errorf("got %v, want a ProtocolError", err)
	}
}

// Packets that are broken, of another buffer or of a wrong length are dropped,
// and the right ones still come through.
func TestMisfitsAreDropped(t *testing.T) {
	s := newScript(t, scriptLocal, scriptGroup(t))
	s.info(1, maxPayload+4, 0, 2)
	s.expect(opReady)
	wrongSum := packetBytes(0, "abcd")
	wrongSum[5]++
	wrongLength := packetBytes(0, "abcd")
	wrongLength[8]++
	for _, b := range [][]byte{{}, {1, 2, 3}, make([]byte, headerSize), wrongSum, wrongLength,
		packetBytes(2, "beyond"), packetBytes(1<<32-1, "before"),
		packetBytes(0, "ab"), // leaves more than a packet for the other
	} {
		if err := s.sender.Send([][][]byte{{b}}); err != nil {
			t.Fatal(err)
		}
	}
	s.multicast(1, "tail")
	s.multicast(0, strings.Repeat("x", maxPayload))
	s.write([]byte{opSent})
	s.expect(opDone)
	s.finish(2, 2)
	if err := s.end(); err != nil || s.out.String() != strings.Repeat("x", maxPayload)+"tail" {
		t.Errorf("%v; wrote %d bytes", err, s.out.Len())
	}
	if got := s.client.Stats(); got.Misfits != 8 || got.Packets != 2 || got.Lost != 0 {
		t.Errorf("%+v, want 8 misfits", got)
	}
}

// finish plays the last round.
func (s *script) finish(id, base uint32) {
	s.t.Helper()
	s.info(id, 0, base, 0)
	s.expect(opReady)
	s.write([]byte{opSent})
	s.expect(opDone)
}

// Faults 1 to 4: a server that goes away is noticed within a second, and never
// taken for the end of the stream.
func TestFaults1To4ServerGoes(t *testing.T) {
	group := scriptGroup(t)
	for _, tt := range []struct {
		name string
		play func(s *script)
	}{
		{"before the first round", func(*script) {}},
		{"during multicast", func(s *script) { s.info(1, 8, 0, 2); s.expect(opReady); s.multicast(0, "abcd") }},
		{"during repair", func(s *script) { s.lackOne(); s.write(packetBytes(0, "abcd")[:14]) }},
		{"after a round", func(s *script) { s.lackOne(); s.write(packetBytes(0, "abcd")); s.expect(opDone) }},
		{"in the last round", func(s *script) { s.info(1, 0, 0, 0); s.expect(opReady) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, scriptLocal, group)
			tt.play(s)
			begun := time.Now()
			s.conn.Close()
			if err := s.end(); !errors.Is(err, ErrServerClosed) {
				t.Errorf("got %v, want ErrServerClosed", err)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("noticed after %v", took)
			}
		})
	}
}

// A server that is there and says nothing ends the client too; packets are a
// sign of life.
func TestFault2SilentServer(t *testing.T) {
	t.Parallel()                // it waits for timeouts
	const silence = time.Second // of which this test may be held up three quarters
	s := newScript(t, scriptLocal, scriptGroup(t), func(c *ClientConfig) { c.SilenceTimeout = silence })
	s.info(1, 400, 0, 100)
	s.expect(opReady)
	begun := time.Now()
	tick := time.NewTicker(silence / 4)
	defer tick.Stop()
	for seq := range uint32(8) { // twice the timeout, without a byte by TCP
		<-tick.C
		s.multicast(seq, "abcd")
	}
	last := time.Now()
	if err := s.end(); !errors.Is(err, ErrSilent) {
		t.Errorf("got %v, want ErrSilent", err)
	}
	if alive, after := last.Sub(begun), time.Since(last); alive < 3*silence/2 || after < silence/2 {
		t.Errorf("given up %v after the last packet, %v after READY", after, alive)
	}
}

func TestRoundTimeout(t *testing.T) {
	t.Parallel() // it waits for timeouts
	s := newScript(t, scriptLocal, scriptGroup(t), func(c *ClientConfig) { c.RoundTimeout = 100 * time.Millisecond })
	if err := s.end(); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "waiting for buffer 1") {
		t.Errorf("got %v, want ErrSilent", err)
	}
}

// Fault 1: nobody listens.
func TestFault1NoServer(t *testing.T) {
	t.Parallel() // it waits for timeouts
	client := mustClient(t, ClientConfig{
		LocalIP: scriptLocal, Server: netip.AddrPortFrom(scriptLocal, port.Free(t)), ConnectTimeout: time.Second,
	})
	if _, err := client.Receive(t.Context(), io.Discard); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want connection refused", err)
	}
}

// A client that is started before its server waits for it.
func TestClientBeforeServer(t *testing.T) {
	addr := netip.AddrPortFrom(scriptLocal, port.Free(t))
	client := mustClient(t, ClientConfig{LocalIP: scriptLocal, Server: addr})
	done := make(chan error, 1)
	go func() { _, err := client.Receive(t.Context(), io.Discard); done <- err }()
	ln, err := net.Listen("tcp4", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	server := mustServer(t, ServerConfig{LocalIP: scriptLocal, Clients: 1, Port: port.Free(t)})
	if r, err := server.Serve(t.Context(), ln, strings.NewReader("x")); err != nil || !r.Complete() {
		t.Errorf("server: %v, %+v", err, r)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The end of the client's context ends it at once, also while a write hangs.
func TestClientInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLab(t, 1)
	l.serve(strings.NewReader("x"))
	w := &gatedWriter{entered: make(chan struct{}), gate: make(chan error)}
	client := mustClient(t, l.clientConfig())
	done := make(chan error, 1)
	go func() { _, err := client.Receive(ctx, w); done <- err }()
	<-w.entered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	w.gate <- io.ErrClosedPipe
	r, _ := l.end()
	l.wantStates(r, 0, 1, 0)
}

// A real file is written out, and one on a full device fails.
func TestFault19DevFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	l := newLab(t, 1)
	l.serve(strings.NewReader("some bytes"))
	got := <-l.clientTo(full, func() []byte { return nil }, nil)
	if !errors.Is(got.err, syscall.ENOSPC) {
		t.Errorf("client: %v, want ENOSPC", got.err)
	}
	r, _ := l.end()
	l.wantStates(r, 0, 1, 0)
}

func TestOutputToAFile(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, 1)
	want := noise(1, 500*maxPayload+1)
	l.serve(strings.NewReader(string(want)))
	got := <-l.clientTo(f, func() []byte {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Error(err)
		}
		return b
	}, func(c *ClientConfig) { c.Finish = f.Sync })
	l.wantStream("client", got, want)
}

// renewer counts reports and refuses the third.
type renewer struct {
	packetReceiver
	reports int
}

func (r *renewer) Report() error {
	if r.reports++; r.reports == 3 {
		return syscall.EPERM
	}
	return nil
}

func TestMembershipIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rx := &renewer{}
		l := newListener(rx, wireOrder, &counters{}, nil)
		begun := time.Now()
		var complaints []error
		l.renew(t.Context(), time.Minute, func(err error) { complaints = append(complaints, err) })
		if took := time.Since(begun); took != 3*time.Minute || len(complaints) != 1 {
			t.Errorf("%d reports in %v, complaints %v", rx.reports, took, complaints)
		}
	})
}

func TestClientConfigIsChecked(t *testing.T) {
	good := ClientConfig{LocalIP: scriptLocal, Server: netip.MustParseAddrPort("127.0.0.1:5")}
	for name, change := range map[string]func(*ClientConfig){
		"no address":   func(c *ClientConfig) { c.LocalIP = netip.Addr{} },
		"no server":    func(c *ClientConfig) { c.Server = netip.AddrPort{} },
		"IPv6 server":  func(c *ClientConfig) { c.Server = netip.MustParseAddrPort("[::1]:5") },
		"no such port": func(c *ClientConfig) { c.Server = netip.MustParseAddrPort("127.0.0.1:0") },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
