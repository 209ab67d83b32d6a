package jasmine

import (
	"context"
	"time"
)

// reportProgress calls report with what now returns, at a fixed pace, until ctx
// ends. report may be nil.
func reportProgress[T any](ctx context.Context, report func(T), now func() T) {
	if report == nil {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			report(now())
		case <-ctx.Done():
			return
		}
	}
}
