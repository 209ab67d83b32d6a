package transfer

import (
	"errors"
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
	}
}
