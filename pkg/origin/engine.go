package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
)

// engineImages gives the wanted images of this machine's engine, one archive after
// the other: an engine has no way to give a layer alone.
func engineImages(ctx context.Context, cfg Config, u *url.URL, yield func(imageset.Origin, error) bool) {
	e, err := engine.Dial(ctx, engine.Config{Kind: engine.Kind(u.Scheme), Socket: u.Path})
	if err != nil {
		yield(nil, fmt.Errorf("%w: %w", imageset.ErrOrigin, err))
		return
	}
	defer e.Close()
	from, ok := e.(engine.Saver)
	if !ok {
		yield(nil, fmt.Errorf("%w: the engine cannot save images", imageset.ErrOrigin))
		return
	}
	images, err := from.Saved(ctx)
	if err != nil {
		yield(nil, fmt.Errorf("%w: %w", imageset.ErrOrigin, err))
		return
	}
	found := false
	for _, img := range images {
		names := wantedNames(cfg.Images, img.Names)
		if len(names) == 0 {
			continue
		}
		found = true
		o, err := takeImage(ctx, cfg, from, img.ID, names)
		if !yield(o, err) || err != nil {
			return
		}
	}
	if !found {
		yield(nil, fmt.Errorf("%w: %s has none of the images", imageset.ErrNotBundle, cfg.URL))
	}
}

// wantedNames are those of an image's names that one of the patterns is for.
func wantedNames(patterns, names []string) []string {
	var out []string
	for _, name := range names {
		repo, tag, ok := imageset.SplitName(name)
		if ok && (len(patterns) == 0 || imageset.MatchImage(patterns, repo, tag)) {
			out = append(out, name)
		}
	}
	return out
}

// takeImage gives one image: what is known of it, or its archive.
func takeImage(ctx context.Context, cfg Config, from engine.Saver, id string, names []string) (imageset.Origin, error) {
	save := func(ctx context.Context) (imageset.Origin, error) { return saveImage(ctx, cfg, from, names) }
	if cfg.Known != nil {
		if d, ok := cfg.Known(ctx, id); ok {
			return newKnown(d, names, save), nil
		}
	}
	return save(ctx)
}

// archived is the archive of one image, in a file that has no name.
type archived struct {
	imageset.Origin
	file *os.File
}

func saveImage(ctx context.Context, cfg Config, from engine.Saver, names []string) (imageset.Origin, error) {
	body, err := from.Save(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", imageset.ErrOrigin, err)
	}
	defer body.Close()
	f, err := os.CreateTemp(cfg.SpoolDir, ".save-*")
	if err != nil {
		return nil, fmt.Errorf("saving %s: %w", names[0], err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("saving %s: %w", names[0], err), f.Close())
	}
	size, err := io.Copy(f, body)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("saving %s: %w", names[0], err), f.Close())
	}
	o, err := imageset.OpenArchive(ctx, f, size, cfg.Note)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("image %s: %w", names[0], err), f.Close())
	}
	return &archived{o, f}, nil
}

// Close lets the file go.
func (a *archived) Close() error { return errors.Join(a.Origin.Close(), a.file.Close()) }
