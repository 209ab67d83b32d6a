package agent

import (
	"context"
	"errors"
	"fmt"

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
	} else if err = client.VerifyLocal(ctx, base, set, spec.Identity); err != nil {
		err = errors.Join(err, a.removeCorrupt(ctx, st, set))
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
	for _, b := range set.Blobs {
		err := st.VerifyBlobs(ctx, []store.Blob{b}, 1)
		if !errors.Is(err, store.ErrDigestMismatch) {
			continue
		}
		a.note("blob %s was corrupt on disk and has been removed", b.Digest)
		if err := st.RemoveBlob(b.Digest); err != nil {
			errs = append(errs, fmt.Errorf("removing corrupt blob %s: %w", b.Digest, err))
		}
	}
	return errors.Join(errs...)
}
