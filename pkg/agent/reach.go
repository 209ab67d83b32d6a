package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// callReach proves that a registry of the operator's has every image of the set,
// before hosts are told to lean on it (R11).
func (a *agent) callReach(ctx context.Context, req message.Reach) (message.Empty, error) {
	_, set, err := a.open(req.SetID)
	if err != nil {
		return message.Empty{}, err
	}
	err = registry.Reach(ctx, req.Upstream, set.Images...)
	var lacks *registry.BadImageError
	if errors.As(err, &lacks) {
		err = fmt.Errorf("it must have the bundle's images: %w", err)
	}
	if err != nil {
		return message.Empty{}, problem(message.ReasonCentral, err)
	}
	return message.Empty{}, nil
}
