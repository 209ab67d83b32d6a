package e2e

import (
	"bytes"
	"encoding/binary"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A listener is a stranger on the segment: it hears the group, keeps what it heard,
// and says what it likes to the group. It has no key.
type listener struct {
	in, out *net.UDPConn
	wg      sync.WaitGroup
	mu      sync.Mutex
	heard   [][]byte // guarded by mu
	sent    int      // guarded by mu
}

// listen lets a host hear the group, and answer each datagram by what forge makes of
// it, if anything.
func (x *cast) listen(h *lab.Host, forge func(datagram []byte) [][]byte) *listener {
	x.t.Helper()
	group := net.UDPAddrFromAddrPort(nativeGroupAddr)
	l := &listener{}
	x.must(h.Within(func() (err error) {
		ifi, err := net.InterfaceByName(h.Device())
		if err != nil {
			return err
		}
		if l.in, err = net.ListenMulticastUDP("udp4", ifi, group); err != nil {
			return err
		}
		l.out, err = net.DialUDP("udp4", &net.UDPAddr{IP: h.Addr().AsSlice()}, group)
		return err
	}))
	l.wg.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := l.in.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if from.Addr().Unmap() != h.Addr() {
				l.answer(slices.Clone(buf[:n]), forge)
			}
		}
	})
	x.t.Cleanup(l.close)
	return l
}

func (l *listener) answer(datagram []byte, forge func([]byte) [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heard) < 4000 {
		l.heard = append(l.heard, datagram)
	}
	for _, d := range forge(datagram) {
		l.out.Write(d)
		l.sent++
	}
}

func (l *listener) close() {
	l.in.Close()
	l.out.Close()
	l.wg.Wait()
}

func (l *listener) counts() (heard, sent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heard), l.sent
}

// forgeAll answers a packet by what somebody without the key can make of it: the same
// again, the same with another place, counter or byte, or cut off, and plain junk.
func forgeAll(datagram []byte) [][]byte {
	if len(datagram) < 40 {
		return nil
	}
	change := func(f func(d []byte) []byte) []byte { return f(slices.Clone(datagram)) }
	return [][]byte{
		datagram,
		change(func(d []byte) []byte { d[30] ^= 1; return d }),
		change(func(d []byte) []byte { binary.BigEndian.PutUint32(d[18:], 1<<20); return d }),
		change(func(d []byte) []byte { binary.BigEndian.PutUint64(d[10:], 1<<27); return d }),
		change(func(d []byte) []byte { d[4] = 1; return d }),
		change(func(d []byte) []byte { d[2] = 9; return d }),
		datagram[:39],
		datagram[:3],
		bytes.Repeat([]byte{0xda, 0x15}, 700),
	}
}

// TestFault47And49StrangersPackets: a stranger hears a session and sends to the
// group, for each packet, that packet again and forgeries of it. Later it plays all
// of the session back into the next. No byte changes, and nobody stops.
func TestFault47And49StrangersPackets(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit", Extra: []lab.HostConfig{{Name: "stranger"}}})
	sum := x.put(castBytes)
	without := x.calm(sum, x.hosts...)

	forger := x.listen(x.Host("stranger"), func(d []byte) [][]byte {
		if d[21]%8 != 0 { // for the packets of every eighth block: as much again
			return nil
		}
		return forgeAll(d)
	})
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.hosts...)
	heard, sent := forger.counts()
	if sent < 1000 {
		t.Errorf("only %d packets were forged", sent)
	}
	forger.close()
	for _, h := range x.hosts {
		if strings.Contains(r.got[h].Stderr, "; 0 damaged or forged") {
			t.Errorf("%s does not count what was forged: %v", h.Name(), r.got[h])
		}
	}
	x.clear()

	next := 0
	replayer := x.listen(x.Host("stranger"), func([]byte) [][]byte {
		next++
		return [][]byte{forger.heard[next%heard]}
	})
	other := x.put(castBytes + 12345)
	r = x.begin(x.hosts).end(60*time.Second, other)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.hosts...)
	if _, sent := replayer.counts(); sent < 1000 {
		t.Errorf("only %d packets were replayed", sent)
	}
	for _, h := range x.hosts {
		if strings.Contains(r.got[h].Stderr, ", 0 foreign") {
			t.Errorf("%s does not count the old session's packets: %v", h.Name(), r.got[h])
		}
	}
}

// TestFault50TwoSessionsOneGroup: two senders use one group and port at once. Each
// receiver has its own sender's stream.
func TestFault50TwoSessionsOneGroup(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 4, Extra: []lab.HostConfig{{Name: "second"}}})
	second := x.Host("second")
	x.must(x.sender.LimitRate("60mbit"))
	x.must(second.LimitRate("60mbit"))
	sum := x.put(castBytes / 2)
	x.must(second.WriteFile(payloadFile, bytes.Repeat([]byte("other"), 2<<20), 0o644))
	otherSum, err := digestOf(second, payloadFile)
	x.must(err)

	c1 := x.beginSender("--receivers", "2")
	c1.receive(x.Host("h1"))
	c1.receive(x.Host("h2"))
	c1.awaitBegun()
	c2 := x.beginOn(second, "--receivers", "2", payloadFile)
	c2.receive(x.Host("h3"))
	c2.receive(x.Host("h4"))
	r2 := c2.end(60*time.Second, otherSum)
	r1 := c1.end(60*time.Second, sum)
	r1.wantSent(0)
	r2.wantSent(0)
	r1.wantDone(x.Host("h1"), x.Host("h2"))
	r2.wantDone(x.Host("h3"), x.Host("h4"))
}

// awaitBegun waits until data is sent.
func (c *casting) awaitBegun() {
	c.t.Helper()
	select {
	case <-c.began.seen:
	case <-within(c.t, 20*time.Second).Done():
		c.t.Fatal("the sender does not begin")
	}
}

// TestFault50SameSenderTwice: the port is taken, and the second says so, and by whom.
func TestFault50SameSenderTwice(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 1})
	sum := x.put(1 << 20)
	c := x.beginSender()
	again := x.sender.Run(within(t, 10*time.Second), "daisy-mcast", "send", "--local-ip", x.sender.Addr().String(),
		"--token-file", "/root/token2", "--receivers", "1", payloadFile)
	if again.Code != exitUsage || !strings.Contains(again.Stderr, "in use") ||
		!regexp.MustCompile(`taken by process [1-9][0-9]* \(daisy-mcast\)`).MatchString(again.Stderr) {
		t.Errorf("the second sender: %v", again)
	}
	if x.sender.Exists("/root/token2") {
		t.Error("it left a token")
	}
	c.receive(x.Host("h1"))
	r := c.end(20*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.Host("h1"))
}

// TestFault55AnotherSendersToken: who answers at the address is not whom the token
// names. The receiver says so at once, and takes nothing.
func TestFault55AnotherSendersToken(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 1})
	sum := x.put(1 << 20)
	h1 := x.Host("h1")
	old := x.beginSender()
	stale, err := h1.ReadFile(tokenFile)
	x.must(err)
	x.must(old.send.Signal(unix.SIGTERM))
	old.send.Wait()

	c := x.beginSender()
	x.must(h1.WriteFile("/root/stale", stale, 0o600))
	r := h1.Run(within(t, 10*time.Second), "daisy-mcast", "receive", "--local-ip", h1.Addr().String(),
		"--token-file", "/root/stale", "--out", outFile)
	if r.Code != exitFailed || !strings.Contains(r.Stderr, "sender key mismatch") || r.Took > 5*time.Second {
		t.Errorf("want an end at once: %v", r)
	}
	if h1.Exists(outFile) || h1.Exists(outFile+".part") {
		t.Error("it left a file")
	}
	c.receive(h1)
	got := c.end(20*time.Second, sum)
	got.wantSent(0)
	got.wantDone(h1)
}

// TestFault77TokenStaysSecret: it is in no command line, no environment and no output
// (I8), and its file is its owner's.
func TestFault77TokenStaysSecret(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 2, Rate: "100mbit"})
	sum := x.put(castBytes / 2)
	c := x.begin(x.hosts)
	c.awaitBegun()
	text, err := x.sender.ReadFile(tokenFile)
	x.must(err)
	token := strings.TrimSpace(string(text))
	if len(token) < 40 {
		t.Fatalf("the token is %d bytes", len(token))
	}
	for _, h := range x.Hosts() {
		found := h.FindProcesses("daisy-mcast")
		if len(found) == 0 {
			t.Errorf("nothing runs on %s", h.Name())
		}
		for _, p := range found {
			if strings.Contains(strings.Join(append(p.Args, p.Env...), " "), token) {
				t.Errorf("%s shows the token", h.Name())
			}
		}
	}
	if mode := x.sender.Run(within(t, 5*time.Second), "stat", "-c", "%a", tokenFile).Stdout; mode != "600\n" {
		t.Errorf("the token's file has mode %s", mode)
	}
	r := c.end(30*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	for _, got := range append([]lab.Result{r.sent}, r.got[x.hosts[0]], r.got[x.hosts[1]]) {
		if strings.Contains(got.Stdout+got.Stderr, token) {
			t.Errorf("the token was printed: %v", got.Args)
		}
	}
}
