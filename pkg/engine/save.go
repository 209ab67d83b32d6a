package engine

import (
	"context"
	"io"
	"slices"

	"github.com/docker/docker/api/types/image"
)

// A Saver is an engine whose images can be taken out. Those that Dial makes are.
type Saver interface {
	// Saved lists the images that have names.
	Saved(ctx context.Context) ([]SavedImage, error)
	// Save returns an archive, of docker save's form, with one image under these of
	// its names. The caller closes it; an archive that ends too early shows in what
	// it holds.
	Save(ctx context.Context, names []string) (io.ReadCloser, error)
}

// A SavedImage is an image that an engine has.
type SavedImage struct {
	ID    string   // "sha256:..."
	Names []string // sorted, at least one
}

var _ Saver = (*daemon)(nil)

// Saved lists the images.
func (d *daemon) Saved(ctx context.Context) ([]SavedImage, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	list, err := d.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, d.fail(ctx, "listing images", err)
	}
	var out []SavedImage
	for _, i := range list {
		names := slices.DeleteFunc(slices.Clone(i.RepoTags), func(name string) bool { return name == "<none>:<none>" })
		if len(names) > 0 {
			slices.Sort(names)
			out = append(out, SavedImage{ID: i.ID, Names: slices.Compact(names)})
		}
	}
	slices.SortFunc(out, func(a, b SavedImage) int { return slices.Compare(a.Names, b.Names) })
	return out, nil
}

// Save asks for an archive.
func (d *daemon) Save(ctx context.Context, names []string) (io.ReadCloser, error) {
	ctx, stop := d.alive(ctx)
	body, err := d.api.ImageSave(ctx, names)
	if err != nil {
		err = d.fail(ctx, "saving "+names[0], err)
		stop()
		return nil, err
	}
	return &saving{ReadCloser: body, stop: stop}, nil
}

// saving is an archive on its way; the engine is watched as long.
type saving struct {
	io.ReadCloser
	stop func()
}

func (s *saving) Close() error {
	s.stop()
	return s.ReadCloser.Close()
}
