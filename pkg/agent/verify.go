package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callVerify proves over HTTP what this host serves, by a listener that is ours
// (R7, R8).
func (a *agent) callVerify(ctx context.Context, req message.Verify) (message.Empty, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Empty{}, err
	}
	spec, err := a.spec()
	if err != nil {
		return message.Empty{}, err
	}
	status, err := launch.Check(ctx, spec)
	if err != nil {
		return message.Empty{}, startProblem(err)
	}
	if !status.Running {
		return message.Empty{}, problem(message.ReasonRegistry, errors.New("no registry of ours runs here"))
	}
	client, err := registry.NewClient(registry.ClientConfig{})
	if err != nil {
		return message.Empty{}, err
	}
	defer client.Close()
	base := "http://" + spec.Listen[0].String()
	if req.Lean {
		err = client.VerifyThrough(ctx, base, set, spec.Identity)
	} else {
		err = a.proveLocal(ctx, st, set, func(proven func(store.Digest) bool) error {
			return client.VerifyServed(ctx, base, set, spec.Identity, proven)
		})
	}
	if err != nil {
		return message.Empty{}, problem(message.ReasonVerify, err)
	}
	return message.Empty{}, nil
}

// proveLocal proves that every blob of set is on this disk as it should be, and by
// serves that all of it is served. Only what changed since it was last verified is
// read again.
func (a *agent) proveLocal(ctx context.Context, st *store.Store, set *store.Set,
	serves func(proven func(store.Digest) bool) error) error {
	bad, err := a.removeCorrupt(ctx, st, set)
	if err != nil {
		return err
	}
	wrong := make(map[store.Digest]bool)
	for _, b := range bad {
		wrong[b.Blob.Digest] = true
	}
	return serves(func(d store.Digest) bool { return !wrong[d] })
}

// removeCorrupt takes blobs that are not what their name says, or cannot be read,
// out of the store: they are missing from then on, so that this run or the next
// one brings them, and meanwhile the central registry has them. It returns all
// that the store has not got as it should be.
func (a *agent) removeCorrupt(ctx context.Context, st *store.Store, set *store.Set) ([]store.BadBlob, error) {
	check, err := st.CheckBlobs(ctx, set.Blobs, runtime.GOMAXPROCS(0), throttle(a.bytes))
	if err != nil {
		return nil, fmt.Errorf("checking the store: %w", err)
	}
	var errs []error
	for _, b := range check.Bad {
		switch {
		case errors.Is(b.Err, fs.ErrNotExist), errors.Is(b.Err, store.ErrSizeMismatch):
			continue // missing as it is
		case !errors.Is(b.Err, store.ErrDigestMismatch) && !errors.Is(b.Err, syscall.EIO):
			errs = append(errs, fmt.Errorf("reading blob %s: %w", b.Blob.Digest, b.Err)) // says nothing about the blob
			continue
		}
		if err := st.RemoveBlob(b.Blob.Digest); err != nil {
			errs = append(errs, fmt.Errorf("removing damaged blob %s: %w", b.Blob.Digest, err))
			continue
		}
		a.note("blob %s was damaged on disk and has been removed: %v", b.Blob.Digest, b.Err)
	}
	return check.Bad, errors.Join(errs...)
}
