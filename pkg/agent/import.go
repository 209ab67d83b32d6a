package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/origin"
	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callImport reads the bundle into the central registry's store. Nothing that is
// served changes yet.
func (a *agent) callImport(ctx context.Context, body json.RawMessage, data io.Reader) (any, error) {
	var req message.Import
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, fmt.Errorf("decoding the request: %w", err)
	}
	st, err := a.openStore()
	if err != nil {
		return nil, err
	}
	if err := a.lockSender(req.By); err != nil {
		return nil, err
	}
	// What is damaged here would be sent to every host: once removed, it is
	// imported again.
	if current, _, err := st.Current(); err == nil {
		if _, err := a.removeCorrupt(ctx, st, current); err != nil {
			return nil, problem(message.ReasonStore, err)
		}
	}
	set, err := a.importImages(ctx, req, data, st)
	if err != nil {
		if text := imageset.Advice(err); text != "" {
			err = fmt.Errorf("%w; %s", err, text)
		}
		return nil, problem(message.ReasonBundle, err)
	}
	links, err := st.LinkInodes(set)
	if err != nil {
		return nil, problem(message.ReasonStore, err)
	}
	return message.ImportResult{Set: set, LinkInodes: links}, nil
}

func (a *agent) importImages(ctx context.Context, req message.Import, data io.Reader, st *store.Store) (*store.Set, error) {
	opts := imageset.ImportOptions{
		SHA512:        req.SHA512,
		Progress:      throttle(a.bytes),
		Note:          func(text string) { a.note("%s", text) },
		Images:        req.Choice.Images,
		Platforms:     req.Choice.Platforms,
		RefuseForeign: req.Choice.RefuseForeign,
		DemandSum:     req.Choice.DemandSum,
	}
	if len(req.Choice.Key) > 0 {
		key, err := signature.ParseKey(req.Choice.Key)
		if err != nil {
			return nil, err
		}
		opts.Key = &key
	}
	switch {
	case req.Origin != nil:
		cfg := *req.Origin
		cfg.Note, cfg.SpoolDir, cfg.Known = opts.Note, st.OwnDir(), imageset.NewMade(st).Find
		return imageset.ImportAll(ctx, []imageset.Place{{Origins: origin.Open(ctx, cfg)}}, st, opts)
	case req.Path != "":
		return imageset.Import(ctx, req.Path, st, opts)
	}
	return imageset.ImportStream(ctx, data, st, opts)
}

// progressInterval is how often an agent reports bytes: often enough for a live
// view, seldom enough for a thousand hosts.
const progressInterval = 500 * time.Millisecond

// throttle lets f be called by one goroutine as often as it likes.
func throttle(f func(done, total int64)) func(done, total int64) {
	var last time.Time
	return func(done, total int64) {
		if now := time.Now(); now.Sub(last) >= progressInterval || done == total {
			last = now
			f(done, total)
		}
	}
}
