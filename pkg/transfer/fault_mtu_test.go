package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestFault37SmallMTU: a way to one host takes less than full packets, and neither end of
// its connection knows. The canaries tell before the data, the packets of all are made
// smaller, and it is served with the others.
func TestFault37SmallMTU(t *testing.T) {
	const size = 12 << 20
	want := testBytes(size)
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream=%v", stream), func(t *testing.T) {
			src := FileSource(bytes.NewReader(want), size)
			if stream {
				src = StreamSource(io.MultiReader(bytes.NewReader(want)))
			}
			s := newSession(t, 3, src)
			s.send.MaxRate, s.send.Slow = 200*pace.Mbps, Wait // also for who lacks a processor
			narrow := s.hosts[1]
			narrow.dropIf(func(d []byte) bool { return len(d) > 1400-wire.IPOverhead })
			s.run()
			s.wantAll(want, s.hosts...)
			for i, h := range s.hosts {
				if r := s.resultOf(h); r.Detached != 0 || h.result.Repairs != 0 {
					t.Errorf("host %d was served apart: %+v, %+v", i, r, h.result)
				}
			}
			if once, most := uint64(size/leastCut), uint64(size/leastCut*11/10); s.result.Packets < once || s.result.Packets > most {
				t.Errorf("%d packets, %d are once the stream in packets of %d", s.result.Packets, once, leastCut)
			}
			if log := s.log.String(); strings.Count(log, "packets are made smaller: full ones do not reach") != 1 || !strings.Contains(log, "packet=1280") {
				t.Errorf("the log does not tell of it:\n%s", log)
			}
		})
	}
}

// TestFault37Resumed: what a host has of an earlier session with smaller packets counts,
// also when it learns late that the packets are smaller again. It runs alone: who tells
// of no canary in 50 ms, for want of a processor, gets the stream over TCP.
func TestFault37Resumed(t *testing.T) {
	const size = 16 << 20
	want := testBytes(size)
	file := t.TempDir() + "/a"
	for i := range 2 {
		s := newSession(t, 2, FileSource(bytes.NewReader(want), size))
		s.send.MaxRate = 200 * pace.Mbps
		var cancel context.CancelFunc
		s.ctx, cancel = context.WithCancel(t.Context())
		journal := s.hosts[0].journaled(t, file)
		s.hosts[1].dropIf(func(d []byte) bool { return len(d) > 1400-wire.IPOverhead })
		if i == 0 {
			s.hosts[0].cfg.Progress = func(done, _ int64) {
				if done > size/2 {
					cancel()
				}
			}
			s.run()
			journal.Close()
			continue
		}
		s.run()
		s.wantAll(want, s.hosts...)
		if got := s.hosts[0].result.Resumed; got < size/2 {
			t.Errorf("%d bytes were resumed\n%s", got, s.log)
		}
		cancel()
	}
}

// TestAnotherWelcome: only one that makes the packets smaller, before anything of the
// stream, is right.
func TestAnotherWelcome(t *testing.T) {
	right := wire.Welcome{Version: wire.Version, Geometry: wire.Geometry{Payload: leastCut}, Mode: wire.File, Size: 1 << 20,
		ReportInterval: wire.MinReportInterval}
	for name, change := range map[string]func(r *reception, w *wire.Welcome){
		"":                 func(*reception, *wire.Welcome) {},
		"other key":        func(_ *reception, w *wire.Welcome) { w.Key[0]++ },
		"other size":       func(_ *reception, w *wire.Welcome) { w.Size++ },
		"as large":         func(_ *reception, w *wire.Welcome) { w.Geometry.Payload = wire.DefaultPayload },
		"larger":           func(_ *reception, w *wire.Welcome) { w.Geometry.Payload = wire.DefaultPayload + 1 },
		"after a packet":   func(r *reception, _ *wire.Welcome) { r.noteCounter(1) },
		"after a SEGMENTS": func(r *reception, _ *wire.Welcome) { r.learn(wire.Segments{Digests: make([]wire.Digest, 1)}) },
	} {
		r := &reception{log: orDiscard(nil), clock: newClock(), root: wire.NewRootHash(), cfg: ReceiveConfig{Memory: PoolBytes},
			sink: FileSink(nil), quit: make(chan struct{}), c: &conn{ending: true}}
		r.c.wake.L = &r.c.mu
		r.welcome = right
		r.welcome.Geometry.Payload = wire.DefaultPayload
		opener, err := wire.NewOpener(right.Key, right.Session, r.welcome.Geometry)
		if err != nil {
			t.Fatal(err)
		}
		r.opener = opener
		r.cut(0)
		w := right
		change(r, &w)
		r.hear(w)
		if isRight := name == ""; r.isOver == isRight || !isRight && !errors.Is(r.err, wire.ErrFormat) {
			t.Errorf("%q: over is %v, %v", name, r.isOver, r.err)
		}
		close(r.finisher.jobs)
		r.finishing.Wait()
	}
}

// TestFault37TinyMTU: a host whose network takes less than packets are made smaller to
// gets the stream over TCP; both sides name the MTU. Of a stream it is given up, for the
// same reason. The others notice nothing.
func TestFault37TinyMTU(t *testing.T) {
	const size = 40 << 20
	want := testBytes(size)
	for _, stream := range []bool{false, true} {
		src := FileSource(bytes.NewReader(want), size)
		if stream {
			src = StreamSource(io.MultiReader(bytes.NewReader(want)))
		}
		s := newSession(t, 3, src)
		s.send.Memory = 16 << 20
		s.send.MaxRate, s.send.Slow = 200*pace.Mbps, Wait // for the others, who may lack a processor
		narrow := s.hosts[1]
		narrow.dropIf(func(d []byte) bool { return len(d) > 1200-wire.IPOverhead })
		s.run()
		r := s.resultOf(narrow)
		if stream {
			s.wantAll(want, s.hosts[0], s.hosts[2])
			var bye *ByeError
			if !errors.As(narrow.err, &bye) || bye.Reason != wire.TooLarge || r.Reason != wire.TooLarge {
				t.Errorf("it ended with %v; the sender says %+v", narrow.err, r)
			}
			continue
		}
		s.wantAll(want, s.hosts...)
		if r.Detached != wire.TooLarge || narrow.result.Detached != wire.TooLarge || narrow.result.Repairs == 0 {
			t.Errorf("the sender says %+v, the host %+v", r, narrow.result)
		}
		if log := s.log.String(); !strings.Contains(log, "packet=1") || !strings.Contains(log, "mtu=") {
			t.Errorf("the log does not tell of the MTU:\n%s", log)
		}
		for _, h := range []*testHost{s.hosts[0], s.hosts[2]} {
			if r := s.resultOf(h); r.Detached != 0 {
				t.Errorf("another was detached: %+v", r)
			}
		}
	}
}

// TestFault37OwnInterface: packets are no larger than the sender's own interface takes.
func TestFault37OwnInterface(t *testing.T) {
	for mtu, want := range map[int]uint16{68: wire.MinPayload, 1400: 1332, 1500: wire.DefaultPayload, 9000: wire.DefaultPayload, 65536: wire.DefaultPayload} {
		if got := payloadFor(mtu); got != want {
			t.Errorf("MTU %d: payload %d, want %d", mtu, got, want)
		}
	}
}
