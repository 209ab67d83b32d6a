package jasmine

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// wantReason fails the test unless the client at conn ended with this state and
// a reason that has these words.
func wantReason(t *testing.T, r Result, conn net.Conn, state State, words string) {
	t.Helper()
	for _, c := range r.Clients {
		if c.Addr == addrPort(conn.LocalAddr()) {
			if c.State != state || !strings.Contains(c.Reason, words) {
				t.Errorf("%v: %v, %q, want %v because of %q", c.Addr, c.State, c.Reason, state, words)
			}
			return
		}
	}
	t.Errorf("no result for %v", conn.LocalAddr())
}

// Clients that stop in each half of a round are dropped, and all together cost
// the others the timeout once (case E of the originals: they stall for ever).
func TestFault11FrozenClients(t *testing.T) {
	t.Parallel() // it waits for timeouts
	const timeout = time.Second
	l := newLab(t, 5)
	l.config.ClientTimeout = timeout
	l.config.MaxLag = -1
	want := noise(1, 200*maxPayload)
	var frozen []net.Conn
	begun := time.Now()
	l.serve(bytes.NewReader(want))
	for range 2 { // never READY
		frozen = append(frozen, l.raw())
	}
	stopped := l.raw() // READY, then nothing
	a, b := l.client(nil), l.client(nil)
	l.read(stopped, bufferInfoSize)
	stopped.Write([]byte{opReady})
	l.wantStream("a", <-a, want)
	l.wantStream("b", <-b, want)
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, 2, 3, 0)
	for _, c := range append(frozen, stopped) {
		wantReason(t, r, c, Dropped, "silent for 1s")
	}
	// Two halves of one round have a frozen client each.
	if took := time.Since(begun); took > 2*timeout+2*time.Second {
		t.Errorf("the others took %v", took)
	}
}

// A client that asks for packets and does not read them blocks nobody.
func TestFault41StalledReader(t *testing.T) {
	t.Parallel() // it waits for timeouts
	l := newLab(t, 2)
	l.config.ClientTimeout = time.Second
	l.config.MaxLag = -1               // the others may be done long before: its silence alone
	l.config.testOnlyBufferPackets = 0 // more than two sockets hold
	want := noise(2, bufferPackets*maxPayload)
	l.serve(bytes.NewReader(want))
	stalled := l.raw()
	stalled.(*net.TCPConn).SetReadBuffer(4096)
	good := l.client(nil)
	info, err := parseBufferInfo(l.read(stalled, bufferInfoSize), wireOrder, bufferInfo{})
	if err != nil {
		t.Fatal(err)
	}
	stalled.Write([]byte{opReady})
	var all []uint32
	for seq := range info.Count {
		all = append(all, seq)
	}
	stalled.Write(appendRequest(nil, wireOrder, all))
	l.wantStream("the good client", <-good, want)
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, 1, 1, 0)
	wantReason(t, r, stalled, Dropped, "silent")
}

// A client that is always late, but never silent for long, has a budget.
func TestMaxLag(t *testing.T) {
	t.Parallel() // it waits for timeouts
	l := newLab(t, 3)
	l.config.ClientTimeout = 10 * time.Second
	l.config.MaxLag = 300 * time.Millisecond
	want := noise(3, 20*maxPayload)
	l.serve(bytes.NewReader(want))
	slow := l.raw()
	a, b := l.client(nil), l.client(nil)
	begun := time.Now()
	l.wantStream("a", <-a, want)
	l.wantStream("b", <-b, want)
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	wantReason(t, r, slow, Dropped, "held up the others for 300ms")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the others took %v", took)
	}
}

// Messages that break the protocol end their client, not the session, and a
// count from outside allocates nothing (case D: the original server crashes).
func TestFaults52To57BadClients(t *testing.T) {
	const packets = 10
	word := func(v uint32) []byte { return wireOrder.AppendUint32(nil, v) }
	all := func() (seqs []uint32) {
		for i := range uint32(packets) {
			seqs = append(seqs, i)
		}
		return seqs
	}()
	ready := []byte{opReady}
	for _, tt := range []struct {
		name, reason string
		early        []byte // sent before the session begins
		ready, later []byte // sent for READY, and after SENT
	}{
		{name: "Fault53 random bytes", early: []byte("GET / HTTP/1.1\r\n\r\n"), reason: "before the session began"},
		{name: "Fault56 early DONE", ready: []byte{opDone}, reason: "DONE instead of READY"},
		{name: "Fault53 unknown message", ready: []byte{0x77}, reason: "message 0x77 instead of READY"},
		{name: "Fault56 READY twice", ready: ready, later: []byte{opReady}, reason: "READY instead of REQ or DONE"},
		{name: "Fault52 count beyond the buffer", ready: ready, reason: "asks for 11 packets",
			later: append([]byte{opReq}, word(packets+1)...)},
		{name: "Fault52 count of all ones", ready: ready, reason: "asks for 4294967295 packets",
			later: append([]byte{opReq}, word(1<<32-1)...)},
		{name: "Fault52 number beyond the buffer", ready: ready, reason: "asks for packet 10",
			later: appendRequest(nil, wireOrder, []uint32{packets})},
		{name: "Fault57 everything again and again", ready: ready, reason: "more than 2 times",
			later: bytes.Repeat(appendRequest(nil, wireOrder, all), 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 2)
			dropped := l.logged("client dropped")
			want := noise(4, packets*maxPayload)
			l.serve(bytes.NewReader(want))
			bad := l.raw()
			if tt.early != nil {
				bad.Write(tt.early)
				<-dropped
				other := l.client(nil) // takes the place
				defer func() { l.wantStream("the other client", <-other, want) }()
			}
			good := l.client(nil)
			if tt.early == nil {
				l.read(bad, bufferInfoSize)
				bad.Write(tt.ready)
				bad.Write(tt.later)
			}
			l.wantClosed(bad)
			l.wantStream("the good client", <-good, want)
			r, err := l.end()
			if err != nil {
				t.Error(err)
			}
			wantReason(t, r, bad, Dropped, tt.reason)
		})
	}
}

// Fault 62: strangers, and clients beyond the count, are turned away.
func TestFault62Refusals(t *testing.T) {
	l := newLab(t, 1)
	l.config.Allow = []netip.Addr{l.local}
	l.serve(strings.NewReader(""))
	stranger := dialFrom(t, l, "127.0.0.99")
	l.wantClosed(stranger)
	expected := l.raw()
	l.read(expected, bufferInfoSize) // the session has begun
	late := dialTCP(t, l.ln.Addr())
	l.wantClosed(late)
	expected.Write([]byte{opReady})
	l.read(expected, 1)
	expected.Write([]byte{opDone})
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, 1, 0, 2)
	wantReason(t, r, stranger, Refused, "not expected")
	wantReason(t, r, late, Refused, "had begun")
}

// An address that is listed joins once.
func TestAllowedAddressJoinsOnce(t *testing.T) {
	l := newLab(t, 2)
	l.config.Allow = []netip.Addr{l.local, netip.MustParseAddr("127.0.0.5")}
	l.serve(strings.NewReader("x"))
	first := l.raw()
	second := dialTCP(t, l.ln.Addr())
	l.wantClosed(second)
	first.Close()
	l.cancel()
	r, _ := l.end()
	wantReason(t, r, second, Refused, "joined already")
}

// Fault 6: a client that leaves before the session began frees its place.
func TestFault6LeavingTheLobby(t *testing.T) {
	l := newLab(t, 2)
	dropped := l.logged("client dropped")
	l.serve(strings.NewReader("bytes"))
	gone := l.raw()
	gone.Close()
	<-dropped
	a, b := l.client(nil), l.client(nil)
	l.wantStream("a", <-a, []byte("bytes"))
	l.wantStream("b", <-b, []byte("bytes"))
	r, err := l.end()
	if err != nil || !r.Complete() {
		t.Errorf("server: %v, %+v", err, r)
	}
	wantReason(t, r, gone, Dropped, "closed the connection")
}

func TestMissingClients(t *testing.T) {
	t.Parallel() // it waits for timeouts
	for _, tt := range []struct {
		name    string
		come    int
		policy  OnMissing
		wantErr error
	}{
		{"start with those that came", 1, OnMissingStart, nil},
		{"fail", 1, OnMissingFail, ErrMissing},
		{"nobody to start with", 0, OnMissingStart, ErrNoClients},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 2)
			l.config.JoinTimeout = 200 * time.Millisecond
			l.config.OnMissing = tt.policy
			l.serve(strings.NewReader("x"))
			var clients []<-chan received
			for range tt.come {
				clients = append(clients, l.client(nil))
			}
			r, err := l.end()
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("got %v, want %v", err, tt.wantErr)
			}
			if r.Complete() {
				t.Error("the session counts as complete without all clients")
			}
			for _, c := range clients {
				if got := <-c; (got.err == nil) != (tt.wantErr == nil) {
					t.Errorf("client: %v", got.err)
				}
			}
		})
	}
}

// A client that dies in the middle (SIGKILL closes its connection) costs the
// others nothing.
func TestFault7ClientDies(t *testing.T) {
	l := newLab(t, 2)
	l.config.ClientTimeout = 20 * time.Second
	want := noise(5, 500*maxPayload)
	l.serve(bytes.NewReader(want))
	dying := l.raw()
	good := l.client(nil)
	l.read(dying, bufferInfoSize)
	dying.Write([]byte{opReady})
	dying.Close()
	begun := time.Now()
	l.wantStream("the other client", <-good, want)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the other client took %v", took)
	}
	r, err := l.end()
	if err != nil {
		t.Error(err)
	}
	l.wantStates(r, 1, 1, 0)
}

func TestServerConfigIsChecked(t *testing.T) {
	good := ServerConfig{LocalIP: netip.MustParseAddr("127.0.0.1"), Clients: 1}
	for name, change := range map[string]func(*ServerConfig){
		"no clients": func(c *ServerConfig) { c.Clients = 0 },
		"no address": func(c *ServerConfig) { c.LocalIP = netip.Addr{} },
		"no group":   func(c *ServerConfig) { c.Group = netip.MustParseAddr("10.0.0.1") },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewServer(good); err != nil {
		t.Error(err)
	}
}

// Fault 17: too few file descriptors are found before the session, not in it.
func TestFault17OpenFiles(t *testing.T) {
	if err := checkFiles(1 << 40); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("got %v, want the number that is needed", err)
	}
}

// dialFrom connects from another loopback address.
func dialFrom(t *testing.T, l *lab, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(context.Background(), "tcp4", l.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return limited(t, conn)
}
