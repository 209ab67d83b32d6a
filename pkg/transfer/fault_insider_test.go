package transfer

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/multicast"
	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A rogue is a member of a session, with its key, that does what it likes.
type rogue struct {
	t *testing.T
	c *conn
	w wire.Welcome

	mu    sync.Mutex
	heard map[wire.MessageType]int // guarded by mu
	bye   *wire.Bye                // guarded by mu
	gone  chan struct{}            // closed when the sender has ended the connection
}

// withRogue replaces the last host of a session by play, which begins when the rogue
// is in and READY was sent. It returns what waits for its end.
func (s *session) withRogue(t *testing.T, play func(r *rogue)) (wait func()) {
	h := s.hosts[len(s.hosts)-1]
	h.absent = true
	var wg sync.WaitGroup
	wg.Go(func() {
		c, w, err := h.cfg.dial(t.Context())
		if err != nil {
			t.Errorf("the rogue: %v", err)
			return
		}
		defer c.close(0)
		r := &rogue{t: t, c: c, w: w, heard: make(map[wire.MessageType]int), gone: make(chan struct{})}
		wg.Go(r.listen)
		r.say(wire.Ready{})
		r.await(wire.TypeSegments)
		play(r)
	})
	return wg.Wait
}

// wantFoundOut runs a session with one rogue: by what it plays it has to be found out, and
// the other host has to get everything.
func wantFoundOut(t *testing.T, play func(r *rogue)) {
	t.Helper()
	s, want := faultSession(t, 2, 2<<20)
	wait := s.withRogue(t, func(r *rogue) {
		play(r)
		r.wantBye(wire.Misbehaved)
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[0])
	if r := s.resultOf(s.hosts[1]); r.Done || r.Reason != wire.Misbehaved {
		t.Errorf("the result of the rogue is %+v", r)
	}
}

func (r *rogue) listen() {
	defer close(r.gone)
	for {
		m, err := r.c.receive(time.Minute, wire.MaxFrame)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.heard[m.Type()]++
		if b, ok := m.(wire.Bye); ok {
			r.bye = &b
		}
		r.mu.Unlock()
	}
}

// await waits for a first message of a type: of digests, which come when the data does.
func (r *rogue) await(m wire.MessageType) {
	for {
		r.mu.Lock()
		n := r.heard[m]
		r.mu.Unlock()
		select {
		case <-r.gone:
			return
		case <-time.After(time.Millisecond):
		}
		if n > 0 {
			return
		}
	}
}

// say sends a message. It fails when the sender has had enough, which is no fault.
func (r *rogue) say(m wire.Message) { _ = r.c.send(m) }

// wantBye waits until the sender has ended the connection for a reason.
func (r *rogue) wantBye(reason wire.Reason) {
	r.t.Helper()
	select {
	case <-r.gone:
	case <-time.After(15 * time.Second):
		r.t.Errorf("the sender keeps the rogue; want %v", reason)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bye == nil || r.bye.Reason != reason {
		r.t.Errorf("the rogue was told %+v, want %v", r.bye, reason)
	}
}

// faultSession is a session of n hosts at a moderate pace, and the stream it sends.
func faultSession(t *testing.T, n, size int) (*session, []byte) {
	t.Helper()
	want := testBytes(size)
	s := newSession(t, n, FileSource(bytes.NewReader(want), int64(size)))
	s.send.MaxRate = 300 * pace.Mbps
	return s, want
}

// wantNoGoroutines checks that a session has left none behind (I6).
func wantNoGoroutines(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Second)
	buf := make([]byte, 1<<20)
	for {
		all := string(buf[:runtime.Stack(buf, true)])
		left := 0
		for _, g := range bytes.Split([]byte(all), []byte("\n\n")) {
			if bytes.Contains(g, []byte("transfer.(*sending)")) || bytes.Contains(g, []byte("transfer.(*reception)")) ||
				bytes.Contains(g, []byte("transfer.(*door)")) || bytes.Contains(g, []byte("transfer.(*conn)")) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines are left:\n%s", left, all)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// forge sends packets of the rogue's own to the group, under the session's key.
func (r *rogue) forge(ctx context.Context, packet func(n int) (wire.Header, []byte), every time.Duration) {
	ifi, err := multicast.InterfaceOf(local)
	if err != nil {
		r.t.Error(err)
		return
	}
	tx, err := multicast.Dial(multicast.SenderConfig{Group: r.w.Group, Interface: ifi, Local: local, TTL: 1})
	if err != nil {
		r.t.Error(err)
		return
	}
	defer tx.Close()
	sealer, err := wire.NewSealer(r.w.Key, r.w.Session)
	if err != nil {
		r.t.Error(err)
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		h, payload := packet(n)
		d, err := sealer.Seal(nil, h, payload)
		if err != nil {
			r.t.Error(err)
			return
		}
		if err := tx.SendRun(d, len(d)); err != nil {
			r.t.Error(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.gone:
			return
		case <-tick.C:
		}
	}
}

// TestFault48ForgedWithTheGroupKey: a member sends packets that open and are false.
// The digests find them; what they spoiled comes over TLS.
func TestFault48ForgedWithTheGroupKey(t *testing.T) {
	const size = 16 << 20
	blocks := testGeometry.Blocks(size)
	last := wire.Block(blocks - 1)
	false1432 := bytes.Repeat([]byte{0xff}, wire.DefaultPayload)
	for name, packet := range map[string]func(n int) (wire.Header, []byte){
		"Data": func(n int) (wire.Header, []byte) {
			return wire.Header{Type: wire.Data, Count: wire.BlockPackets, Block: wire.Block(n*7) % last, Index: wire.Index(n % 192)}, false1432
		},
		"Rows": func(n int) (wire.Header, []byte) {
			return wire.Header{Type: wire.Parity, Count: wire.BlockPackets, Block: wire.Block(n*7) % last, Index: wire.Index(192 + n%64)}, false1432
		},
		"LastTooEarly": func(n int) (wire.Header, []byte) {
			return wire.Header{Type: wire.Data, Flags: wire.FlagLast, Count: uint8(1 + n%192), Block: wire.Block(n % 8)}, false1432
		},
		"BeyondTheEnd": func(n int) (wire.Header, []byte) {
			return wire.Header{Type: wire.Data, Count: wire.BlockPackets, Block: last + 1 + wire.Block(n)}, false1432
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, want := faultSession(t, 3, size)
			ctx, cancel := context.WithCancel(t.Context())
			wait := s.withRogue(t, func(r *rogue) {
				time.AfterFunc(400*time.Millisecond, cancel)
				r.forge(ctx, packet, time.Millisecond)
				r.say(wire.Bye{Reason: wire.Interrupted})
				<-r.gone
			})
			s.run()
			wait()
			cancel()
			if t.Failed() || s.sendErr != nil {
				t.Logf("%v: %+v\n%s", s.took, s.result, s.log)
				for _, h := range s.hosts[:2] {
					t.Logf("%v %+v", h.err, h.result)
				}
			}
			s.wantAll(want, s.hosts[:2]...)
			spoiled := uint64(0)
			for i, h := range s.hosts[:2] {
				spoiled += h.result.Counters.BadSegments
				t.Logf("host %d in %v: %d bad segments, %d over TLS", i, s.took, h.result.Counters.BadSegments, h.result.Repairs)
			}
			if spoils := name == "Data" || name == "Rows"; spoils != (spoiled > 0) {
				t.Errorf("%d segments were spoiled", spoiled)
			}
			if s.took > 8*time.Second {
				t.Errorf("it took %v", s.took)
			}
			for i, h := range s.hosts[:2] { // nothing comes about twice
				if all := uint64(testGeometry.Blocks(size)) * wire.BlockPackets; h.result.Repairs > all*21/20 {
					t.Errorf("host %d got %d packets over TLS, all are %d", i, h.result.Repairs, all)
				}
			}
		})
	}
}

// TestFault52WhatBreaksABound: a member's frame that breaks a bound ends its
// connection and nothing else.
func TestFault52WhatBreaksABound(t *testing.T) {
	frame := func(kind wire.MessageType, body ...byte) []byte {
		n := len(body) + 1
		return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), byte(kind)}, body...)
	}
	ff := func(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }
	for name, raw := range map[string][]byte{
		"LengthOf4GB":      {0xff, 0xff, 0xff, 0xff, byte(wire.TypeReport)},
		"LengthZero":       {0, 0, 0, 0},
		"LengthOverAMiB":   {0, 0x10, 0, 1, byte(wire.TypeReport)},
		"ReportOfOnes":     frame(wire.TypeReport, ff(100)...),
		"MapBeyondTheEnd":  frame(wire.TypeMap, ff(28)...),
		"FetchOfMuch":      frame(wire.TypeFetch, append([]byte{1, 0}, ff(9)...)...),
		"ResumeManyRanges": frame(wire.TypeResume, 0xff, 0xff, 0x7f),
		"UnknownType":      frame(99, 1, 2, 3),
		"SendersMessage":   frame(wire.TypeBeat, make([]byte, 8)...),
		"DoneTooShort":     frame(wire.TypeDone, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFoundOut(t, func(r *rogue) {
				if _, err := r.c.tls.Write(raw); err != nil {
					t.Errorf("writing: %v", err)
				}
			})
		})
	}
}

// TestFault56ReadyAndDoneOftenAndEarly: to be READY a thousand times counts once, and
// to be DONE before the end is found out.
func TestFault56ReadyAndDoneOftenAndEarly(t *testing.T) {
	s, want := faultSession(t, 3, 4<<20)
	wait := s.withRogue(t, func(r *rogue) {
		for range 1000 {
			r.say(wire.Ready{})
		}
		for range 1000 {
			r.say(wire.Done{Root: wire.Digest{1}})
		}
		r.wantBye(wire.Misbehaved)
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[:2]...)
	if n := s.result.Done(); n != 2 || len(s.result.Hosts) != 3 {
		t.Errorf("%d of %d are done, want 2 of 3", n, len(s.result.Hosts))
	}
}

// TestFault56ByeFinished: a member that says that it is finished, in place of DONE, has not
// got the stream, and nobody waits for it.
func TestFault56ByeFinished(t *testing.T) {
	wantFoundOut(t, func(r *rogue) { r.say(wire.Bye{Reason: wire.Finished}) })
}

// afterBytes is closed when a host has written so much.
func (h *testHost) afterBytes(n int64) <-chan struct{} {
	c := make(chan struct{})
	var once sync.Once
	h.cfg.Progress = func(done, _ int64) {
		if done >= n {
			once.Do(func() { close(c) })
		}
	}
	return c
}

// TestFault54SameCertificateTwice: the newer connection of a host replaces the older.
func TestFault54SameCertificateTwice(t *testing.T) {
	s, want := faultSession(t, 2, 8<<20)
	twin := *s.hosts[1]
	twin.out += "-twin"
	twin.ctx, twin.cancel = context.WithCancel(t.Context())
	twin.start = s.hosts[0].afterBytes(1 << 20)
	s.hosts = append(s.hosts, &twin)
	s.run()
	s.wantAll(want, s.hosts[0], &twin)
	var bye *ByeError
	if err := s.hosts[1].err; !errors.As(err, &bye) || bye.Reason != wire.Replaced {
		t.Errorf("the older one ended with %v", err)
	}
	if len(s.result.Hosts) != 2 || s.result.Done() != 2 {
		t.Errorf("the sender's result is %+v", s.result.Hosts)
	}
	wantNoGoroutines(t)
}

// TestFault41MemberThatDoesNotRead: it asks for much and reads nothing. What waits for
// it is bounded, and it is given up.
func TestFault41MemberThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s, want := faultSession(t, 2, 8<<20)
	h := s.hosts[1]
	h.absent = true
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, _, err := dial(t.Context(), h.cfg.LocalIP, h.cfg.Sender, receiverTLS(h.cfg.Identity, h.cfg.Pin), nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.close(0)
		_ = c.tls.NetConn().(*net.TCPConn).SetReadBuffer(4096)
		var all rangeset.Set
		all.Add(0, 4096)
		for c.send(wire.Ready{}) == nil && c.send(wire.Fetch{Packets: all}) == nil && t.Context().Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	s.run()
	<-ended
	s.wantAll(want, s.hosts[0])
	if r := s.resultOf(h); r.Done || r.Reason != wire.Silent {
		t.Errorf("the result of the one that does not read is %+v", r)
	}
	if s.took > 25*time.Second {
		t.Errorf("it was given up after %v", s.took)
	}
}
