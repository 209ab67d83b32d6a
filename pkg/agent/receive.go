package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callReceive takes part in a sending: blobs that this host lacks are committed
// as soon as they are whole and right, the others are thrown away. What went
// wrong is in the result, with the numbers of what went well.
func (a *agent) callReceive(ctx context.Context, req message.Receive) (message.ReceiveResult, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.ReceiveResult{}, err
	}
	c, err := a.carrierFor(req.Carrier)
	if err != nil {
		return message.ReceiveResult{}, err
	}
	list, err := blobs(set, req.Pack)
	if err != nil {
		return message.ReceiveResult{}, err
	}
	pack, err := imageset.NewPack(list)
	if err != nil {
		return message.ReceiveResult{}, err
	}
	sink := imageset.NewSink(pack, st, wanted(st, set))
	finish := sync.OnceValue(sink.Close)
	// Carriers tell of every segment: a hundred events a second from each host, each
	// written to the session by the one who receives, cost more than the segments.
	progress := throttle(a.bytes)
	res, err := c.receive(ctx, req, sink, finish, func(done int64) { progress(done, pack.Size()) })
	if ferr := finish(); err == nil {
		err = ferr // else it is in err, and in the sink's result
	}
	res.Bytes = pack.Content(res.Bytes)
	res.Problem = receiveProblem(sink.Result(), err)
	res.Missing = message.IndexesOf(st.Missing(set)...)
	return res, nil
}

// wanted reports whether this host lacks a blob.
func wanted(st *store.Store, set *store.Set) func(store.Digest) bool {
	missing := make(map[store.Digest]bool)
	for _, i := range st.Missing(set) {
		missing[set.Blobs[i].Digest] = true
	}
	return func(d store.Digest) bool { return missing[d] }
}

// receiveProblem names what went wrong: the disk's faults first, for the carrier's
// follow from them.
func receiveProblem(got imageset.SinkResult, err error) *message.Problem {
	noSpace := func(e error) bool {
		return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT}, func(t error) bool { return errors.Is(e, t) })
	}
	switch {
	case noSpace(got.Err):
		return &message.Problem{Reason: message.ReasonDisk, Text: got.Err.Error()}
	case noSpace(err):
		return &message.Problem{Reason: message.ReasonDisk, Text: err.Error()}
	case got.Err != nil:
		return &message.Problem{Reason: message.ReasonStore, Text: got.Err.Error()}
	case errors.Is(err, errNoMulticast):
		return &message.Problem{Reason: message.ReasonMulticast, Text: err.Error()}
	case err != nil:
		return &message.Problem{Reason: message.ReasonTransfer, Text: err.Error()}
	case len(got.Bad) > 0:
		return &message.Problem{Reason: message.ReasonDigest, Text: "blobs arrived with wrong bytes, first " + string(got.Bad[0])}
	}
	return nil
}
