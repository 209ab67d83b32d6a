package origin

import (
	"context"
	"io"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// known is an image of an engine that the store has. It is saved only when somebody
// asks for a part of it: the store may lose one meanwhile.
type known struct {
	images []store.Image
	save   func(context.Context) (imageset.Origin, error)

	mu    sync.Mutex
	saved imageset.Origin // nil before the first question
}

func newKnown(d store.Digest, names []string, save func(context.Context) (imageset.Origin, error)) *known {
	k := &known{save: save}
	for _, name := range names {
		if repo, tag, ok := imageset.SplitName(name); ok {
			k.images = append(k.images, store.Image{Repository: repo, Tag: tag, Manifest: d})
		}
	}
	return k
}

func (k *known) archive(ctx context.Context) (imageset.Origin, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.saved != nil {
		return k.saved, nil
	}
	o, err := k.save(ctx)
	if err == nil {
		k.saved = o
	}
	return o, err
}

// Images implements imageset.Origin.
func (k *known) Images(context.Context) ([]store.Image, error) { return k.images, nil }

// Manifest implements imageset.Origin.
func (k *known) Manifest(ctx context.Context, repo string, d store.Digest) ([]byte, error) {
	o, err := k.archive(ctx)
	if err != nil {
		return nil, err
	}
	return o.Manifest(ctx, repo, d)
}

// Blob implements imageset.Origin.
func (k *known) Blob(ctx context.Context, repo string, d store.Descriptor) (io.ReadCloser, error) {
	o, err := k.archive(ctx)
	if err != nil {
		return nil, err
	}
	return o.Blob(ctx, repo, d)
}

// Close implements imageset.Origin.
func (k *known) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.saved == nil {
		return nil
	}
	return k.saved.Close()
}
