package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// maxCandidates is of how many images that need upstream the smallest is
// delivered. More would make a thousand hosts read every manifest through the
// central registry only to choose.
const maxCandidates = 8

// VerifyThrough proves that the registry at base, which must have that identity,
// delivers an image of set through its upstream: one of which its own store lacks
// some part, the smallest of a few such, read whole and hashed. When the store
// lacks nothing, the smallest image of the set is delivered as it is. The error
// is ErrNotOurs, ErrWrongSource or a *BadImageError.
func (c *Client) VerifyThrough(ctx context.Context, base string, set *store.Set, identity string) error {
	t := target{c, base, identity}
	if err := t.greet(ctx); err != nil {
		return err
	}
	if len(set.Images) == 0 {
		return nil
	}
	choice, err := t.choose(ctx, set)
	if err != nil {
		return err
	}
	return t.deliver(ctx, set, choice)
}

// A candidate is an image that may be delivered.
type candidate struct {
	image store.Image
	parts parts
	lacks bool // some part of it is only upstream
}

// choose finds the image to deliver.
func (t target) choose(ctx context.Context, set *store.Set) (candidate, error) {
	images := slices.Clone(set.Images)
	// By digest: an order that mixes large and small, the same on every run.
	slices.SortFunc(images, func(a, b store.Image) int { return cmp.Compare(a.Manifest, b.Manifest) })
	var best candidate
	for i, lacking := 0, 0; i < len(images) && lacking < maxCandidates; i++ {
		c, err := t.examine(ctx, set, images[i])
		if err != nil {
			return candidate{}, err
		}
		if c.lacks {
			lacking++
		}
		better := c.lacks && !best.lacks || c.lacks == best.lacks && c.parts.size < best.parts.size
		if i == 0 || better {
			best = c
		}
	}
	return best, nil
}

// examine finds out what img needs and whether the store lacks some of it.
func (t target) examine(ctx context.Context, set *store.Set, img store.Image) (candidate, error) {
	p, err := t.parts(ctx, set, img, "")
	if err != nil {
		return candidate{}, bad(img, "", err)
	}
	c := candidate{image: img, parts: p, lacks: p.fromUpstream}
	for d, kind := range p.digests {
		if c.lacks {
			break
		}
		if kind != partBlob {
			continue
		}
		b, _ := set.Has(d)
		source, err := t.source(ctx, img.Repository, b)
		if err != nil {
			return candidate{}, bad(img, d, err)
		}
		c.lacks = source == SourceUpstream
	}
	return c, nil
}

// deliver reads all of c as an engine would, and checks that what the store
// lacked came from upstream.
func (t target) deliver(ctx context.Context, set *store.Set, c candidate) error {
	p, err := t.parts(ctx, set, c.image, "")
	if err != nil {
		return bad(c.image, "", err)
	}
	var through atomic.Bool
	through.Store(p.fromUpstream)
	var blobs []store.Blob
	for d, kind := range p.digests {
		if b, _ := set.Has(d); kind == partBlob {
			blobs = append(blobs, b)
		}
	}
	err = each(ctx, t.client.workers, blobs, func(ctx context.Context, b store.Blob) error {
		source, err := t.blob(ctx, c.image.Repository, b)
		if err != nil {
			return bad(c.image, b.Digest, err)
		}
		if source == SourceUpstream {
			through.Store(true)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.lacks && !through.Load() {
		return bad(c.image, "", fmt.Errorf("%w: nothing came through the upstream", ErrWrongSource))
	}
	return nil
}

// bad names the image that err is about; a stranger's answer is about none.
func bad(img store.Image, blob store.Digest, err error) error {
	if errors.Is(err, ErrNotOurs) {
		return err
	}
	return &BadImageError{Image: img, Blob: blob, Err: err}
}
