package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// callPull has this host's engine pull an image from the address that Kolla will
// use: only that proves certificate, name and port (R12).
func (a *agent) callPull(ctx context.Context, req message.Pull) (message.Empty, error) {
	a.mu.Lock()
	kind := engine.Kind(a.setup.Engine)
	a.mu.Unlock()
	eng, err := engine.Dial(ctx, engine.Config{Kind: kind})
	if err != nil {
		return message.Empty{}, problem(message.ReasonEngine, err)
	}
	defer eng.Close()
	if _, err := eng.Pull(ctx, req.Reference); err != nil {
		return message.Empty{}, problem(message.ReasonEngine, err)
	}
	return message.Empty{}, nil
}
