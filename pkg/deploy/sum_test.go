package deploy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// A host that reads all of a large store again is waited for as long as it tells of
// progress, and no longer.
func TestAHostThatReadsItsStoreIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(newBench(t, 1).cfg)
		r.deadline = time.Now().Add(time.Hour)
		h := r.hosts[0]
		ctx, cancel := r.patiently(t.Context(), h, CallTime)
		defer cancel()
		for range 10 {
			time.Sleep(CallTime * 9 / 10)
			if ctx.Err() != nil {
				t.Fatalf("given up: %v", context.Cause(ctx))
			}
			r.onBytes(h, message.Bytes{Done: 1, Total: 2})
		}
		time.Sleep(CallTime)
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) || isCancelled(ctx) {
			t.Errorf("ended by %v", err)
		}
		if p := problemOf("list", context.Cause(ctx)); p.Reason != reasonDeadline {
			t.Errorf("told as %q", p.Reason)
		}
	})
}

// What hosts read is shown as a sum, during that step alone.
func TestHostsBytesAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []progress.Event
		b := newBench(t, 2)
		b.cfg.Progress = sinkFunc(func(e progress.Event) { seen = append(seen, e) })
		r := newRun(b.cfg)
		tell := func() {
			for _, h := range r.hosts {
				time.Sleep(summedInterval)
				r.onBytes(h, message.Bytes{Done: 10, Total: 100})
			}
		}
		tell()
		end := r.sumUp("list")
		tell()
		end()
		tell()
		if len(seen) != 2 || seen[1].Step != "list" || seen[1].Sent != 20 || seen[1].Total != 200 {
			t.Errorf("got %+v", seen)
		}
	})
}

type sinkFunc func(progress.Event)

func (f sinkFunc) Event(e progress.Event) { f(e) }
