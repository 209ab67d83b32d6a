package transfer

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// cut prepares all that depends on the size of the packets, as the last WELCOME has it:
// nothing of the stream has come yet.
func (r *reception) cut(now time.Duration) {
	w := r.welcome
	r.g = w.Geometry
	r.pool = max(r.cfg.Memory/r.g.SegmentSize(), 4)
	r.free, r.made = nil, 0
	r.finisher = newFinisher(r.g, r.sink, r.pool, func(f finished) { r.post(func() { r.settle(f) }) })
	r.finishing.Go(r.finisher.run)
	r.core = NewReceiver(now, ReceiverConfig{
		Geometry: w.Geometry, Mode: w.Mode, Size: w.Size, Interval: w.ReportInterval,
		Phase: rand.Float64(), PoolSegments: r.pool, InOrder: r.sink.isOrdered(),
	})
}

// recut takes in another WELCOME: the packets of the session are smaller than the first
// one said, because of some receiver's network. It comes before anything of the stream,
// or is a fault. It reports whether it was right.
func (r *reception) recut(w wire.Welcome) bool {
	want := r.welcome
	want.Geometry, want.Window = w.Geometry, w.Window
	if w != want || w.Geometry.Payload >= r.g.Payload || len(r.digests) > 0 || r.end != nil || r.first > 0 {
		r.fail(wire.Misbehaved, fmt.Errorf("%w: another WELCOME", wire.ErrFormat))
		return false
	}
	r.log.Info("packets are made smaller for some receiver's network", "packet", int(w.Geometry.Payload)+wire.Overhead+wire.IPOverhead)
	close(r.finisher.jobs)
	r.finishing.Wait() // it had nothing to do
	r.welcome, r.canaries, r.told = w, 0, 0
	r.opener.SetGeometry(w.Geometry)
	r.cut(r.core.started)
	r.resumeAgain()
	return true
}
