package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// callPull has this host's engine pull an image from the address that Kolla will
// use: only that proves certificate, name and port (R12).
func (a *agent) callPull(ctx context.Context, req message.Pull) (message.Empty, error) {
	if req.Upstream != nil {
		if err := a.tellEngines(*req.Upstream); err != nil {
			return message.Empty{}, problem(message.ReasonEngine, err)
		}
	}
	eng, err := a.dialEngine(ctx)
	if err != nil {
		return message.Empty{}, err
	}
	defer eng.Close()
	if _, err := eng.Pull(ctx, req.Reference); err != nil {
		return message.Empty{}, problem(message.ReasonEngine, err)
	}
	return message.Empty{}, nil
}

// dialEngine connects to the engine that the operator named.
func (a *agent) dialEngine(ctx context.Context) (engine.Engine, error) {
	a.mu.Lock()
	cfg := engine.Config{Kind: engine.Kind(a.setup.Engine), Socket: a.testEngineSocket}
	a.mu.Unlock()
	eng, err := engine.Dial(ctx, cfg)
	if err != nil {
		return nil, problem(message.ReasonEngine, err)
	}
	return eng, nil
}
