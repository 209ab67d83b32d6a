package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	samples "github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// commit is how long a host takes from the last byte that it receives until its
// registry has switched to the set, which is when Kolla gets the new images.
type commit struct{ *fleet }

// What a commit may take: a second, and a part of the transfer for what cannot be
// hashed before its last bytes are there.
const (
	commitSeconds = 1.0
	commitShare   = 0.02
)

func openCommit(ctx context.Context, t tools, o options) (imageStage, error) {
	f, err := openFleet(ctx, t, o, 1, "1gbit")
	if err != nil {
		return nil, err
	}
	const count, shared = 100, 2
	size := int64(4e9)
	if o.quick {
		size /= 8
	}
	s := samples.Options{Count: count, SharedLayers: shared, LayerSize: size / (count + shared)}
	if err := errors.Join(f.warm(3*size), f.bundle(s)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &commit{f}, nil
}

func (c *commit) round(ctx context.Context) ([]measure, error) {
	if err := c.forget(ctx); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen := make(chan arrival, 1)
	go func() { seen <- watchArrival(watching, c.targets[0]) }()
	rep, m, err := c.distribute(ctx)
	stop()
	a := <-seen
	if err == nil && (a.serves.IsZero() || a.last.IsZero()) {
		err = errors.New("it was not seen to receive and to serve")
	}
	if err != nil {
		return nil, err
	}
	var sending float64
	for _, t := range rep.Timings {
		if t.Step == "send" {
			sending = t.Seconds
		}
	}
	took := a.serves.Sub(a.last).Seconds()
	fmt.Fprintf(os.Stderr, "  serving %.2f s after the last byte; the transfer took %.2f s\n", took, sending)
	m.value = took / (commitSeconds + commitShare*sending)
	return []measure{m}, nil
}

// An arrival is when a host had what.
type arrival struct {
	last   time.Time // the last time that much came in
	serves time.Time // when its registry first had the tag from its own store
}

// muchBytes in one interval are of the payload, not of what is said beside.
const (
	arrivalInterval = 10 * time.Millisecond
	muchBytes       = 256 << 10
)

// watchArrival looks at a host until ctx ends.
func watchArrival(ctx context.Context, h *lab.Host) (a arrival) {
	client := h.HTTP()
	client.Timeout = time.Second
	defer client.CloseIdleConnections()
	before, _ := h.Received()
	for tick := time.NewTicker(arrivalInterval); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return a
		case <-tick.C:
		}
		now, _ := h.Received()
		if now-before > muchBytes && a.serves.IsZero() {
			a.last = time.Now()
		}
		before = now
		if a.serves.IsZero() && servesTag(ctx, client) {
			a.serves = time.Now()
		}
	}
	return a
}

// servesTag reports whether the registry answers for the set's first image.
func servesTag(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://127.0.0.1:4000/v2/kolla/centos-source-keystone/manifests/6.0.0", nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(req)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK && answer.Header.Get("Daisy-Mcast-Source") == "store"
}
