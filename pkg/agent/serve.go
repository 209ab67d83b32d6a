package agent

import (
	"context"
	"errors"
	"net/netip"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
)

// spec describes the registry of this host.
func (a *agent) spec() (launch.Spec, error) {
	path, err := program()
	if err != nil {
		return launch.Spec{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return launch.Spec{
		Name:     a.setup.Name,
		Mode:     launch.Mode(a.setup.Mode),
		Engine:   engine.Config{Kind: engine.Kind(a.setup.Engine)},
		Program:  path,
		StoreDir: a.setup.StoreDir,
		BaseDir:  a.setup.BaseDir,
		Listen:   []netip.AddrPort{a.setup.Listen},
		Identity: a.identity,
		Log:      a.log,
	}, nil
}

// callServe runs the registry over the store as it is, so that faults of the
// engine and of the port show before anything is sent.
func (a *agent) callServe(ctx context.Context, req message.Serve) (message.Served, error) {
	spec, err := a.spec()
	if err != nil {
		return message.Served{}, err
	}
	if req.Shared {
		status, err := launch.Check(ctx, spec)
		status.Kept = true
		return served(status, err)
	}
	status, err := launch.Start(ctx, spec)
	if fresh := !status.Kept && !status.Replaced; err == nil && fresh {
		a.mu.Lock()
		a.started = &spec
		a.mu.Unlock()
	}
	return served(status, err)
}

func served(s launch.Status, err error) (message.Served, error) {
	if err != nil {
		return message.Served{}, startProblem(err)
	}
	if !s.Running {
		return message.Served{}, problem(message.ReasonRegistry, errors.New("no registry of ours runs here"))
	}
	return message.Served{Mode: string(s.Mode), SurvivesReboot: s.SurvivesReboot, Changed: !s.Kept}, nil
}

// startProblem gives err the reason for the operator's table.
func startProblem(err error) error {
	var port *launch.PortError
	switch {
	case errors.As(err, &port):
		return problem(message.ReasonPort, err)
	case errors.Is(err, engine.ErrNoEngine), errors.Is(err, engine.ErrNotResponding),
		errors.Is(err, engine.ErrPermission), errors.Is(err, engine.ErrTooOld):
		return problem(message.ReasonEngine, err)
	}
	return problem(message.ReasonRegistry, err)
}
