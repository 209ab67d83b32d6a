package deploy

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// summedInterval is between two events of what all hosts have done.
const summedInterval = 500 * time.Millisecond

// sumUp has the hosts' bytes shown as one sum, as those of a step, until end is called.
func (r *run) sumUp(step string) (end func()) {
	r.forgetBytes()
	r.summed.Store(&step)
	return func() {
		r.summed.Store(nil)
		r.forgetBytes()
	}
}

func (r *run) forgetBytes() {
	for _, h := range r.hosts {
		h.received.Store(0)
		h.all.Store(0)
	}
}

// showSum shows how far the step is, at most so often: every host speaks.
func (r *run) showSum() {
	step := r.summed.Load()
	if step == nil {
		return
	}
	now := time.Now().UnixNano()
	last := r.lastSummed.Load()
	if now-last < int64(summedInterval) || !r.lastSummed.CompareAndSwap(last, now) {
		return
	}
	e := progress.Event{Kind: progress.Bytes, Step: *step}
	for _, h := range r.hosts {
		e.Sent += h.received.Load()
		e.Total += h.all.Load()
	}
	r.emit(e)
}
