package transfer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestReportsAreSignsOfLife: whatever the interval, a receiver that has nothing to tell
// reports often enough not to be taken for gone.
func TestReportsAreSignsOfLife(t *testing.T) {
	for _, interval := range []time.Duration{20 * time.Millisecond, time.Second, time.Minute} {
		r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File, Size: 1 << 30, Interval: interval})
		last, most := time.Duration(0), time.Duration(0)
		for now := time.Duration(0); now < 2*time.Minute; now += 10 * time.Millisecond {
			if reports, _ := r.Report(now); len(reports) > 0 {
				most, last = max(most, now-last), now
			}
		}
		if most = max(most, 2*time.Minute-last); most > wire.BeatInterval+time.Second {
			t.Errorf("an interval of %v: nothing for %v", interval, most)
		}
	}
}

// TestFault52ImpossibleEnds: an END that does not fit the session is refused, before
// anything is made of it.
func TestFault52ImpossibleEnds(t *testing.T) {
	const size = 3 << 20
	file := wire.Welcome{Geometry: coreGeometry, Mode: wire.File, Size: size}
	stream := wire.Welcome{Geometry: coreGeometry, Mode: wire.Stream, Window: 1}
	for _, tt := range []struct {
		name    string
		w       wire.Welcome
		end     wire.End
		isRight bool
	}{
		{"a file", file, wire.End{Size: size, Segments: 3}, true},
		{"a file of another size", file, wire.End{Size: size + 1, Segments: 3}, false},
		{"a stream", stream, wire.End{Size: size, Segments: 3}, true},
		{"too few segments", stream, wire.End{Size: size, Segments: 2}, false},
		{"more than the packets carry", stream, wire.End{Size: coreGeometry.MaxSize() + 1, Segments: wire.MaxSegments}, false},
	} {
		r := &reception{log: orDiscard(nil), c: &conn{ending: true}, g: tt.w.Geometry, welcome: tt.w,
			core: NewReceiver(0, ReceiverConfig{Geometry: tt.w.Geometry, Mode: tt.w.Mode, Size: tt.w.Size, Interval: time.Second})}
		r.c.wake.L = &r.c.mu
		r.hear(tt.end)
		if r.isOver == tt.isRight || !tt.isRight && !errors.Is(r.err, wire.ErrFormat) {
			t.Errorf("%s: over is %v, %v", tt.name, r.isOver, r.err)
		}
		if !tt.isRight {
			continue
		}
		if r.hear(tt.end); r.isOver {
			t.Errorf("%s: the same END again: %v", tt.name, r.err)
		}
		tt.end.Root[0]++
		if r.hear(tt.end); !r.isOver || !errors.Is(r.err, wire.ErrFormat) {
			t.Errorf("%s: over after an END of another root is %v, %v", tt.name, r.isOver, r.err)
		}
	}
}

// TestFault52SenderBreaksABound: a receiver that cannot read what the sender says names
// what is wrong with it, tells the sender that it broke the protocol, and does not try
// again.
func TestFault52SenderBreaksABound(t *testing.T) {
	welcome := wire.Append(nil, testWelcome())
	short := bytes.Clone(welcome)
	short[len(short)-1]-- // of the report interval
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"Welcome", short, "report interval"},
		{"UnknownType", append(bytes.Clone(welcome), 0, 0, 0, 1, 99), "message type 99"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			id := identity(t)
			heard := make(chan wire.Message, 1)
			go func() {
				defer close(heard)
				raw, err := ln.Accept()
				if err != nil {
					return
				}
				tc := tls.Server(raw, senderTLS(id, anyone))
				if err := tc.HandshakeContext(t.Context()); err != nil {
					t.Errorf("the handshake: %v", err)
					return
				}
				c := newConn(tc)
				defer c.close(byeGrace)
				if err := c.greetReceiver(nil); err != nil {
					t.Errorf("the sender: %v", err)
				}
				c.mu.Lock()
				c.queue = append(c.queue, tt.raw...)
				c.wake.Signal()
				c.mu.Unlock()
				for {
					m, err := c.receive(10*time.Second, wire.MaxFrame)
					if err != nil {
						return
					}
					if m.Type() == wire.TypeBye {
						heard <- m
						return
					}
				}
			}()
			cfg := ReceiveConfig{LocalIP: local, Sender: ln.Addr().(*net.TCPAddr).AddrPort(), Pin: id.Pin(), Identity: identity(t), ConnectTimeout: 5 * time.Second}
			_, err = Receive(t.Context(), cfg, StreamSink(io.Discard))
			if !errors.Is(err, wire.ErrFormat) || errors.Is(err, errRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it ended with %v", err)
			}
			if bye, ok := (<-heard).(wire.Bye); !ok || bye.Reason != wire.Misbehaved {
				t.Errorf("the sender was told %+v", bye)
			}
		})
	}
}

// TestFault48RootOfOtherDigests: the digests that came one by one have to be those of
// END, or nothing is reported as received.
func TestFault48RootOfOtherDigests(t *testing.T) {
	const size = 1000
	digest := wire.Digest{1}
	root := wire.NewRootHash()
	root.Add(digest)
	right := root.Sum(size)
	for name, sum := range map[string]wire.Digest{"right": right, "wrong": {2}} {
		w := wire.Welcome{Geometry: coreGeometry, Mode: wire.File, Size: size}
		r := &reception{log: orDiscard(nil), c: &conn{ending: true}, g: w.Geometry, welcome: w, root: wire.NewRootHash(),
			core: NewReceiver(0, ReceiverConfig{Geometry: w.Geometry, Mode: w.Mode, Size: w.Size, Interval: time.Second})}
		r.c.wake.L = &r.c.mu
		r.hear(wire.Segments{Digests: []wire.Digest{digest}})
		r.core.SegmentVerified(0)
		r.hear(wire.End{Size: size, Segments: 1, Root: sum})
		if isRight := sum == right; r.isDone != isRight || !isRight && !errors.Is(r.err, ErrRoot) {
			t.Errorf("%s: done is %v, %v", name, r.isDone, r.err)
		}
	}
}

// TestMapsAreFew: however many blocks wait for a map, a report brings 64 of them at an
// interval of 20 ms, and less in proportion at longer ones: the sender reads no more than
// 3200 a second of one host, and 40,000 of a thousand.
func TestMapsAreFew(t *testing.T) {
	const blocks = 200
	for interval, want := range map[time.Duration]int{
		wire.ReportInterval(1): 64, wire.ReportInterval(1000): 12, wire.ReportInterval(10000): 4,
	} {
		r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File, Size: blocks * uint64(coreGeometry.BlockSize()), Interval: interval})
		for n := range wire.Block(blocks) {
			r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: uint64(n), Block: n})
		}
		got := 0
		for now := time.Duration(0); now < 10*interval; now = r.NextReport() {
			_, maps := r.Report(now)
			got = max(got, len(maps))
		}
		if got != want {
			t.Errorf("an interval of %v: %d maps with a report, want %d", interval, got, want)
		}
	}
}
