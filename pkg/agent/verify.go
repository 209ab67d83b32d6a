package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"

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
		err = client.VerifyLocal(ctx, base, set, spec.Identity)
		var bad *registry.BadImageError
		if errors.As(err, &bad) {
			err = errors.Join(err, a.removeCorrupt(ctx, st, set))
		}
	}
	if err != nil {
		return message.Empty{}, problem(message.ReasonVerify, err)
	}
	return message.Empty{}, nil
}

// removeCorrupt takes blobs that are not what their name says out of the store:
// they are fetched from the central registry from now on, and sent by the next
// run.
func (a *agent) removeCorrupt(ctx context.Context, st *store.Store, set *store.Set) error {
	var errs []error
	for _, d := range corrupt(st.VerifyBlobs(ctx, set.Blobs, runtime.GOMAXPROCS(0))) {
		if err := st.RemoveBlob(d); err != nil {
			errs = append(errs, fmt.Errorf("removing corrupt blob %s: %w", d, err))
			continue
		}
		a.note("blob %s was corrupt on disk and has been removed", d)
	}
	return errors.Join(errs...)
}

// corrupt finds the blobs with other bytes than they should have in what
// VerifyBlobs returned.
func corrupt(err error) []store.Digest {
	var all []store.Digest
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		var b *store.BlobError
		if errors.As(err, &b) && errors.Is(b, store.ErrDigestMismatch) {
			all = append(all, b.Digest)
		}
		return all
	}
	for _, e := range list.Unwrap() {
		all = append(all, corrupt(e)...)
	}
	return all
}
