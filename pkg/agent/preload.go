package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callPreload has this host's engine pull images from the registry that Kolla will
// ask, one after the other, so that deploy finds them by their exact names and
// pulls nothing.
//
// They are pulled, not loaded from an archive: a pull keeps the manifests and so the
// digests, with every kind of store, and fetches a layer that images share once;
// docker save's form changes digests, and an engine spools it whole beside the
// layers. The registry is on this host and has just been proven.
func (a *agent) callPreload(ctx context.Context, req message.Preload) (message.Preloaded, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Preloaded{}, err
	}
	images, err := pick(set.Images, req.Images)
	if err != nil {
		return message.Preloaded{}, err
	}
	eng, err := a.dialEngine(ctx)
	if err != nil {
		return message.Preloaded{}, err
	}
	defer eng.Close()
	p := preloader{eng: eng, registry: req.Registry}
	var list []wantedImage
	var done, total int64
	for _, im := range images {
		w := wantImage(st, im)
		list, total = append(list, w), total+w.size
	}
	report := throttle(a.bytes)
	for _, w := range list {
		if err := p.load(ctx, w); err != nil {
			return p.done, problem(message.ReasonEngine, err)
		}
		done += w.size
		report(done, total)
	}
	return p.done, nil
}

// A wantedImage is an image to load. Its identities are the digests by which engines
// know it: that of its manifest, which is the ID with containerd's store and in the
// digests of what was pulled, and that of its configuration, the ID elsewhere.
type wantedImage struct {
	store.Image
	identities []store.Digest
	size       int64 // of its layers' blobs
}

func wantImage(st *store.Store, im store.Image) wantedImage {
	w := wantedImage{Image: im, identities: []store.Digest{im.Manifest}}
	m, err := platformManifest(st, im.Manifest, runtime.GOARCH)
	if err != nil {
		return w // a host that leans has no manifest to look into; the first will do
	}
	w.identities = append(w.identities, m.Config.Digest)
	for _, l := range m.Layers {
		w.size += l.Size
	}
	return w
}

// maxLoadFaults bounds how many images a result tells the faults of.
const maxLoadFaults = 10

// preloader loads images into one engine; for one goroutine.
type preloader struct {
	eng      engine.Engine
	registry string
	done     message.Preloaded
}

// load loads one image. Its error is one after which no other image can be loaded.
func (p *preloader) load(ctx context.Context, im wantedImage) error {
	ref := p.registry + "/" + im.Repository + ":" + im.Tag
	has, err := p.has(ctx, ref, im.identities)
	if has {
		p.done.Present++
		return nil
	}
	if err == nil {
		_, err = p.eng.Pull(ctx, ref)
	}
	if err == nil {
		if has, err = p.has(ctx, ref, im.identities); err == nil && !has {
			err = fmt.Errorf("the engine has another image under that name than %s", im.Manifest)
		}
	}
	if err == nil {
		p.done.Loaded++
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, engine.ErrNoEngine) || errors.Is(err, engine.ErrNotResponding) {
		return err
	}
	p.done.Faults = append(p.done.Faults, message.LoadFault{Image: ref, Text: err.Error()})
	if len(p.done.Faults) == maxLoadFaults {
		return fmt.Errorf("%d images were not taken, last %s: %w", maxLoadFaults, ref, err)
	}
	return nil
}

// has reports whether the engine has an image with the name and one of the
// identities.
func (p *preloader) has(ctx context.Context, ref string, want []store.Digest) (bool, error) {
	got, err := p.eng.Image(ctx, ref)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil && isOneOf(got, want), err
}

func isOneOf(got engine.Image, want []store.Digest) bool {
	return slices.ContainsFunc(want, func(d store.Digest) bool {
		return got.ID == string(d) || slices.ContainsFunc(got.Digests, func(name string) bool {
			return strings.HasSuffix(name, "@"+string(d))
		})
	})
}
