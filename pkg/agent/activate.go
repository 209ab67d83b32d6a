package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// callActivate switches this host to the set: from here on its tags are the new
// ones. Until then the old set was served.
func (a *agent) callActivate(_ context.Context, req message.Activate) (message.Empty, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Empty{}, err
	}
	if req.Lean {
		err = st.Lean(set.ID)
	} else {
		err = st.Activate(set.ID)
	}
	if err != nil {
		return message.Empty{}, problem(message.ReasonStore, err)
	}
	a.mu.Lock()
	a.activated = true
	a.mu.Unlock()
	return message.Empty{}, nil
}
