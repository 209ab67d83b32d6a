package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callActivate switches this host to the set: from here on its tags are the new
// ones. Until then the old set was served.
func (a *agent) callActivate(ctx context.Context, req message.Activate) (message.Activated, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Activated{}, err
	}
	mode := store.ModeWhole
	if req.Lean {
		mode = store.ModeLean
	}
	before, was, readErr := st.Current() // one that cannot be read is replaced
	if req.Lean {
		err = st.Lean(set.ID)
	} else if _, err = a.removeCorrupt(ctx, st, set); err == nil {
		err = st.Activate(set.ID) // refuses what is missing now
	}
	if err != nil {
		return message.Activated{}, problem(message.ReasonStore, err)
	}
	a.mu.Lock()
	a.activated = true
	a.mu.Unlock()
	same := readErr == nil && before != nil && before.ID == set.ID && was == mode
	return message.Activated{Changed: !same}, nil
}
