package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A cast is a lab in which `send` runs on one host and `receive` on the others.
type cast struct {
	*lab.Lab
	t      *testing.T
	sender *lab.Host
	hosts  []*lab.Host
	rate   string

	calmStarved time.Duration // see waited, by calm
}

// A castConfig says what a cast is of.
type castConfig struct {
	Hosts    int    // default 3; called h1, h2, ...
	Rate     string // of what the sender sends, in tc's notation; none by default
	Snooping bool
	Networks map[string][]string // by host
	Extra    []lab.HostConfig    // hosts that receive nothing
}

const (
	nativePort  = "18384"
	tokenFile   = "/root/token"
	payloadFile = "/root/payload"
	outFile     = "/root/out"
)

// nativeGroupAddr is where packets go when nothing else is said.
var nativeGroupAddr = netip.MustParseAddrPort("239.192.77.1:" + nativePort)

// castSlack is what other hosts may lose to a fault beside a twentieth of their
// time: this machine runs other tests on the same processors.
const castSlack = 750 * time.Millisecond

func newCast(t *testing.T, c castConfig) *cast {
	t.Helper()
	lab.Need(t)
	program := needProgram(t, "receive")
	fc := fleetConfig{Targets: max(c.Hosts, 1), Snooping: c.Snooping, Networks: c.Networks, Extra: c.Extra}
	if c.Hosts == 0 {
		fc.Targets = 3
	}
	x := &cast{t: t, Lab: lab.New(t, fc.lab()), rate: c.Rate}
	x.sender = x.Host("deploy")
	for _, h := range x.Hosts() {
		x.must(h.CopyIn(program, "/usr/local/bin/daisy-mcast", 0o755))
		isExtra := slices.ContainsFunc(c.Extra, func(e lab.HostConfig) bool { return e.Name == h.Name() })
		if h != x.sender && !isExtra {
			x.hosts = append(x.hosts, h)
		}
	}
	if c.Rate != "" {
		x.must(x.sender.LimitRate(c.Rate))
	}
	return x
}

// newSlowCast is a cast whose sender has 100 Mb/s, so that there is a middle of the
// sending, and the digest of castBytes that are to be sent.
func newSlowCast(t *testing.T, hosts int) (x *cast, sum [32]byte) {
	t.Helper()
	x = newCast(t, castConfig{Hosts: hosts, Rate: "100mbit"})
	return x, x.put(castBytes)
}

func (x *cast) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// put writes what is to be sent, and returns its digest.
func (x *cast) put(size int) (sum [32]byte) {
	x.t.Helper()
	data := randomBytes(size)
	x.must(x.sender.WriteFile(payloadFile, data, 0o644))
	return sha256.Sum256(data)
}

// A casting is one sending.
type casting struct {
	*cast
	send     *lab.Process
	began    *lineTime
	receives map[*lab.Host]*lab.Process
	heard    map[*lab.Host]int64 // bytes of groups, before its receiver or when they were last awaited
	starved  map[*lab.Process]*starvation

	mu    sync.Mutex
	ended map[*lab.Process]time.Time // guarded by mu
}

// A lineTime is when a line with a word was printed.
type lineTime struct {
	word string
	seen chan struct{} // closed then
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
	at   time.Time    // guarded by mu
}

func newLineTime(word string) *lineTime {
	return &lineTime{word: word, seen: make(chan struct{})}
}

func (l *lineTime) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	if l.at.IsZero() && strings.Contains(l.text.String(), l.word) {
		l.at = time.Now()
		close(l.seen)
	}
	return len(b), nil
}

func (l *lineTime) time() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// begin starts the sender, and the receivers as soon as there is a token. With
// args the sender is told more.
func (x *cast) begin(hosts []*lab.Host, args ...string) *casting {
	x.t.Helper()
	c := x.beginSender(args...)
	for _, h := range hosts {
		c.receive(h)
	}
	return c
}

// beginUntil begins with all hosts, and returns when one has received so much.
func (x *cast) beginUntil(h *lab.Host, bytes int64) *casting {
	x.t.Helper()
	c := x.begin(x.hosts)
	c.awaitData(h, bytes)
	return c
}

// beginSender starts the sender alone, and hands its token to all hosts.
func (x *cast) beginSender(args ...string) *casting {
	x.t.Helper()
	return x.beginOn(x.sender, append(slices.Clone(args), payloadFile)...)
}

func (x *cast) beginOn(sender *lab.Host, args ...string) *casting {
	x.t.Helper()
	c := &casting{cast: x, began: newLineTime("msg=sending"), receives: map[*lab.Host]*lab.Process{}, heard: map[*lab.Host]int64{},
		starved: map[*lab.Process]*starvation{}, ended: map[*lab.Process]time.Time{}}
	x.must(sender.Shell(x.t.Context(), "rm -f "+tokenFile))
	words := []string{"daisy-mcast", "send", "--local-ip", sender.Addr().String(), "--token-file", tokenFile,
		"--receivers", fmt.Sprint(len(x.hosts))}
	var err error
	c.send, err = sender.Start(lab.Cmd{Args: append(words, args...), Stderr: c.began})
	x.must(err)
	c.starved[c.send] = watchStarvation(c.send)
	token := c.awaitToken(sender)
	for _, h := range x.hosts {
		x.must(h.WriteFile(tokenFile, token, 0o600))
	}
	return c
}

func (c *casting) awaitToken(sender *lab.Host) []byte {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if token, err := sender.ReadFile(tokenFile); err == nil {
			return token
		}
		select {
		case <-c.send.Done():
			c.t.Fatalf("no token: %v", c.send.Wait())
		default:
		}
		if time.Now().After(deadline) {
			c.t.Fatal("no token")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// receive starts a receiver, by a shell's words before it where given.
func (c *casting) receive(h *lab.Host, args ...string) *lab.Process {
	c.t.Helper()
	return c.receiveAs(h, lab.Cmd{Args: append([]string{"daisy-mcast", "receive", "--local-ip", h.Addr().String(),
		"--token-file", tokenFile, "--out", outFile}, args...)})
}

func (c *casting) receiveAs(h *lab.Host, cmd lab.Cmd) *lab.Process {
	c.t.Helper()
	var err error
	c.heard[h], err = h.MulticastBytes()
	c.must(err)
	p, err := h.Start(cmd)
	c.must(err)
	c.receives[h], c.starved[p] = p, watchStarvation(p)
	go func() {
		<-p.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended[p] = time.Now()
	}()
	return p
}

// awaitData waits until a host has received so much of the group since its receiver was
// started, or since the last time.
func (c *casting) awaitData(h *lab.Host, bytes int64) {
	c.t.Helper()
	c.must(h.AwaitMulticast(within(c.t, 30*time.Second), c.heard[h]+bytes))
	var err error
	c.heard[h], err = h.MulticastBytes()
	c.must(err)
}

// endOf is when a process ended, which it has.
func (c *casting) endOf(p *lab.Process) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.ended[p]; ok {
		return at
	}
	return time.Now() // it is just being noted
}

// A castResult is how all ended.
type castResult struct {
	*casting
	sent lab.Result
	took map[*lab.Host]time.Duration // from the first packet to the receiver's end
	got  map[*lab.Host]lab.Result
}

// end waits for all (I3), and checks that who says to have the stream has it, and
// that nothing is left of it elsewhere (I1, I4, I6).
func (c *casting) end(limit time.Duration, sum [32]byte) castResult {
	c.t.Helper()
	r := castResult{casting: c, took: map[*lab.Host]time.Duration{}, got: map[*lab.Host]lab.Result{}}
	ctx := within(c.t, limit)
	r.sent = waitFor(ctx, c.send)
	for h, p := range c.receives {
		r.got[h] = waitFor(ctx, p)
	}
	for h, p := range c.receives {
		r.took[h] = c.endOf(p).Sub(c.began.time())
	}
	if r.sent.Err != nil {
		c.t.Errorf("the sender has no end (I3): %v", r.sent)
	}
	c.t.Logf("%v", r.sent)
	for h, result := range r.got {
		if result.Err != nil {
			c.t.Errorf("%s has no end (I3): %v", h.Name(), result)
		}
		c.t.Logf("%s after %v: %v", h.Name(), r.took[h], result)
		r.wantHonest(h, sum)
	}
	return r
}

// waitFor waits for a process, which may have ended before ctx has.
func waitFor(ctx context.Context, p *lab.Process) lab.Result {
	select {
	case <-p.Done():
		return p.Wait()
	default:
		return p.WaitContext(ctx)
	}
}

// wantHonest checks what a host has against what its receiver said.
func (r castResult) wantHonest(h *lab.Host, sum [32]byte) {
	r.t.Helper()
	got := r.got[h]
	killed := got.Code > 128 && got.Code != exitInterrupted
	switch {
	case got.OK():
		if have, err := digestOf(h, outFile); err != nil || have != sum {
			r.t.Errorf("%s says to have the stream, and its file is wrong (I1): %v", h.Name(), err)
		}
	case h.Exists(outFile):
		r.t.Errorf("%s has a file in spite of %v", h.Name(), got)
	case !killed:
		isPart, isSaid := h.Exists(outFile+".part"), strings.Contains(got.Stderr, "resumable")
		if isPart != isSaid || isPart != h.Exists(outFile+".part.journal") {
			r.t.Errorf("%s left a part behind: %v, and says so: %v (I6): %v", h.Name(), isPart, isSaid, got)
		}
	}
}

func digestOf(h *lab.Host, path string) (sum [32]byte, err error) {
	err = h.Within(func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		d := sha256.New()
		_, err = io.Copy(d, f)
		d.Sum(sum[:0])
		return err
	})
	return sum, err
}

// wantDone checks that these have the stream.
func (r castResult) wantDone(hosts ...*lab.Host) {
	r.t.Helper()
	for _, h := range hosts {
		if got := r.got[h]; !got.OK() {
			r.t.Errorf("%s has not got the stream: %v", h.Name(), got)
		}
	}
}

// wantFailed checks that a host ended by itself without the stream and said why.
func (r castResult) wantFailed(h *lab.Host, words ...string) {
	r.t.Helper()
	got := r.got[h]
	if got.Code != exitFailed || got.Err != nil {
		r.t.Errorf("%s: want exit code %d: %v", h.Name(), exitFailed, got)
	}
	wantWords(r.t, h.Name(), got.Stderr, words...)
}

// wantSent checks the sender's exit code and what it printed.
func (r castResult) wantSent(code int, words ...string) {
	r.t.Helper()
	if r.sent.Code != code {
		r.t.Errorf("the sender's exit code is %d, want %d: %v", r.sent.Code, code, r.sent)
	}
	wantWords(r.t, "the sender", r.sent.Stderr, words...)
}

func wantWords(t *testing.T, who, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not say %q:\n%s", who, w, text)
		}
	}
}

// slowest is the longest time that one of these took.
func (r castResult) slowest(hosts ...*lab.Host) (d time.Duration) {
	for _, h := range hosts {
		d = max(d, r.took[h])
	}
	return d
}

// wantNotHeldUp checks that the fault of one host cost these others no more than a
// twentieth of what they need without (I2), and castSlack.
func (r castResult) wantNotHeldUp(without time.Duration, hosts ...*lab.Host) {
	r.t.Helper()
	with := r.unhindered(hosts...)
	text := fmt.Sprintf("the others took %v (%v with no less of a processor), and %v without the fault", r.slowest(hosts...), with, without)
	if with > without*21/20+castSlack {
		r.t.Errorf("%s (I2)", text)
	} else {
		r.t.Log(text)
	}
}

// calm is a sending without a fault: how long hosts take then.
func (x *cast) calm(sum [32]byte, hosts ...*lab.Host) time.Duration {
	x.t.Helper()
	r := x.begin(hosts, "--receivers", fmt.Sprint(len(hosts))).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(hosts...)
	x.clear()
	x.calmStarved = r.waited(hosts...)
	return r.slowest(hosts...)
}

// clear removes what was received.
func (x *cast) clear() {
	x.t.Helper()
	for _, h := range x.hosts {
		x.must(h.Shell(x.t.Context(), "rm -f "+outFile+" "+outFile+".part*"))
	}
}

// others are the hosts but one.
func (x *cast) others(h *lab.Host) []*lab.Host {
	return slices.DeleteFunc(slices.Clone(x.hosts), func(o *lab.Host) bool { return o == h })
}

// wantNoProcesses checks that the program runs nowhere any more (I6).
func (x *cast) wantNoProcesses() {
	x.t.Helper()
	for _, h := range x.Hosts() {
		if left := strays(h); len(left) > 0 {
			x.t.Errorf("%s: %s", h.Name(), strings.Join(left, "\n"))
		}
	}
}
