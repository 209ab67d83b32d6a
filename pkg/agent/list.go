package agent

import (
	"context"
	"errors"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// callList keeps the set's list and the way to the central registry on this
// host, without switching to it, and says which blobs are missing or damaged. A host that
// cannot take the list would answer with old tags: it is stale (R9).
func (a *agent) callList(ctx context.Context, req message.List) (message.Have, error) {
	st, err := a.openStore()
	if err != nil {
		return message.Have{}, err
	}
	if req.Set == nil || len(req.Set.Images) == 0 {
		return message.Have{}, problem(message.ReasonStale, errors.New("a set without images"))
	}
	if err := req.Set.Validate(); err != nil {
		return message.Have{}, problem(message.ReasonStale, err)
	}
	if err := st.PutSet(req.Set); err != nil {
		return message.Have{}, problem(message.ReasonStale, err)
	}
	if !req.Shared {
		if err := registry.WriteUpstream(st.Dir(), req.Upstream); err != nil {
			return message.Have{}, problem(message.ReasonStale, err)
		}
	}
	a.mu.Lock()
	a.sets[req.Set.ID] = req.Set
	a.mu.Unlock()
	if req.EngineCA {
		if err := a.tellEngines(req.Upstream); err != nil {
			a.note("the container engine was not told of the central registry's certificate: %v", err)
		}
	}
	if _, err := a.removeCorrupt(ctx, st, req.Set); err != nil {
		return message.Have{}, problem(message.ReasonStore, err)
	}
	return message.Have{Missing: message.IndexesOf(st.Missing(req.Set)...)}, nil
}
