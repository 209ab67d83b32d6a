package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callRoom finds out, before anything is sent, whether the engine's disk takes what
// images come to that are to be loaded (R16). Layers that the engine has already, of
// any image, are not counted: an upgrade brings few new ones.
func (a *agent) callRoom(ctx context.Context, req message.Room) (message.Empty, error) {
	st, err := a.openStore()
	if err != nil {
		return message.Empty{}, err
	}
	eng, err := a.dialEngine(ctx)
	if err != nil {
		return message.Empty{}, err
	}
	defer eng.Close()
	info, err := eng.Info(ctx)
	if err != nil {
		return message.Empty{}, problem(message.ReasonEngine, err)
	}
	have, err := engineChains(ctx, eng)
	if err != nil {
		return message.Empty{}, problem(message.ReasonEngine, err)
	}
	dir := layersDir(info)
	need := layersNeed(req.Unpacked.Layers, have, info.KeepsContent)
	if need > 0 && isSameDisk(dir, st.Dir()) {
		need += req.MissingBytes
	}
	if p := checkDisk(dir, store.Room{Bytes: need}); p != nil {
		return message.Empty{}, problem(p.Reason, p)
	}
	return message.Empty{}, nil
}

// layersNeed adds up the layers that an engine has not. Unpacked files take whole
// blocks of the file system, half a block more each on average: a sixteenth covers
// files of 32 KB, the mean of a distribution's.
func layersNeed(layers []message.Layer, have map[string]bool, keepsContent bool) (need int64) {
	for _, l := range layers {
		if have[l.Chain] {
			continue
		}
		need += l.Bytes + l.Bytes/16
		if keepsContent {
			need += l.Packed
		}
	}
	return need
}

// engineChains returns the chains of layers that an engine has.
func engineChains(ctx context.Context, eng engine.Engine) (map[string]bool, error) {
	ids, err := eng.ImageIDs(ctx)
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool)
	for _, id := range ids {
		im, err := eng.Image(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("asking for image %s: %w", id, err)
		}
		for _, chain := range chains(im.Layers) {
			have[chain] = true
		}
	}
	return have, nil
}

// layersDir is where an engine unpacks layers. Docker with containerd's store
// leaves them to containerd: to the machine's, or to one of its own.
func layersDir(info engine.Info) string {
	const containerds = "/var/lib/containerd"
	own := filepath.Join(info.RootDir, "containerd", "daemon")
	switch {
	case !info.KeepsContent:
	case isDir(own):
		return own
	case isDir(containerds):
		return containerds
	}
	return info.RootDir
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isSameDisk(a, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Stat(a, &sa) == nil && unix.Stat(b, &sb) == nil && sa.Dev == sb.Dev
}
