package agent

import (
	"context"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// callList keeps the set's list and the way to the central registry on this
// host, without switching to it, and says which blobs are missing. A host that
// cannot take the list would answer with old tags: it is stale (R9).
func (a *agent) callList(_ context.Context, req message.List) (message.Have, error) {
	st, _, err := a.open("")
	if err != nil {
		return message.Have{}, err
	}
	if err := req.Set.Validate(); err != nil {
		return message.Have{}, problem(message.ReasonStale, err)
	}
	if err := st.PutSet(req.Set); err != nil {
		return message.Have{}, problem(message.ReasonStale, err)
	}
	if req.Upstream.URL != "" {
		if err := registry.WriteUpstream(st.Dir(), req.Upstream); err != nil {
			return message.Have{}, problem(message.ReasonStale, err)
		}
	}
	if req.EngineCA {
		if err := trustCentral(req.Upstream, a.setup.Listen); err != nil {
			a.note("the container engine was not told of the central registry's certificate: %v", err)
		}
	}
	a.mu.Lock()
	a.sets[req.Set.ID] = req.Set
	a.mu.Unlock()
	missing := st.Missing(req.Set)
	if missing == nil {
		missing = []int{}
	}
	return message.Have{Missing: missing}, nil
}
