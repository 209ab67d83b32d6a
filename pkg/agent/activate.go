package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// callActivate switches this host to the set: from here on its tags are the new
// ones. Until then the old set was served.
func (a *agent) callActivate(ctx context.Context, req message.Activate) (message.Empty, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Empty{}, err
	}
	if req.Lean {
		err = st.Lean(set.ID)
	} else if _, err = a.removeCorrupt(ctx, st, set); err == nil {
		err = st.Activate(set.ID) // refuses what is missing now
	}
	if err != nil {
		return message.Empty{}, problem(message.ReasonStore, err)
	}
	a.mu.Lock()
	a.activated = true
	a.mu.Unlock()
	return message.Empty{}, nil
}
