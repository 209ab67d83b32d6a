package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Load sends an archive to the engine.
func (d *daemon) Load(ctx context.Context, archive io.Reader) ([]string, error) {
	source := &lentReader{r: archive}
	names, err := d.load(ctx, source)
	if failed := source.takeBack(); failed != nil {
		return nil, fmt.Errorf("reading an image to load: %w", failed)
	}
	return names, err
}

func (d *daemon) load(ctx context.Context, archive io.Reader) ([]string, error) {
	ctx, stop := d.alive(ctx)
	defer stop()
	answer, err := d.api.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return nil, d.fail(ctx, "loading an image", err)
	}
	defer answer.Body.Close()
	report, err := readProgress(answer.Body)
	if err != nil {
		return nil, d.failReading(ctx, "loading an image", err)
	}
	return report.loaded, nil
}

// Pull fetches an image.
func (d *daemon) Pull(ctx context.Context, ref string) (string, error) {
	if err := exact(ref); err != nil {
		return "", err
	}
	watched, stop := d.alive(ctx)
	defer stop()
	answer, err := d.pull(watched, ref)
	if err != nil {
		return "", d.fail(watched, "pulling "+ref, err)
	}
	defer answer.Close()
	if _, err := readProgress(answer); err != nil {
		return "", d.failReading(watched, "pulling "+ref, err)
	}
	return d.ImageID(ctx, ref)
}

func (d *daemon) pull(ctx context.Context, ref string) (io.ReadCloser, error) {
	if d.kind == Podman && isLoopback(ref) {
		return d.pullPlain(ctx, ref)
	}
	return d.api.ImagePull(ctx, ref, image.PullOptions{})
}

// isLoopback reports whether a reference's registry is on this machine, where
// plain HTTP shows nothing to anybody.
func isLoopback(ref string) bool {
	host, _, _ := strings.Cut(ref, "/")
	at, err := netip.ParseAddrPort(host)
	return err == nil && at.Addr().IsLoopback()
}

// pullPlain has Podman pull without TLS. It reads registries.conf.d once in the
// life of its service, so that a file which says as much may come too late; and
// Docker's API, which Podman also speaks, cannot say it. Docker needs nothing: it
// takes plain HTTP from loopback by itself.
func (d *daemon) pullPlain(ctx context.Context, ref string) (io.ReadCloser, error) {
	q := url.Values{"reference": {ref}, "tlsVerify": {"false"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://podman/v4.0.0/libpod/images/pull?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := d.api.HTTPClient().Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var fault struct {
		Message string `json:"message"`
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxFault))
	if json.Unmarshal(text, &fault) != nil || fault.Message == "" {
		fault.Message = answer.Status
	}
	return nil, errors.New(fault.Message)
}

// maxFault bounds what is read of an answer that is no success.
const maxFault = 64 << 10

// exact refuses a reference that an engine would complete by itself, with
// docker.io, library/ or :latest.
func exact(ref string) error {
	named, err := reference.ParseNamed(ref)
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrReference, ref, err)
	}
	if reference.IsNameOnly(named) {
		return fmt.Errorf("%w: %q has neither tag nor digest", ErrReference, ref)
	}
	return nil
}

// Image asks for an image.
func (d *daemon) Image(ctx context.Context, ref string) (Image, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	got, err := d.api.ImageInspect(ctx, ref)
	if err != nil {
		return Image{}, d.fail(ctx, "looking for image "+ref, err)
	}
	return Image{ID: got.ID, Digests: got.RepoDigests, Layers: got.RootFS.Layers}, nil
}

// ImageID asks for an image's ID.
func (d *daemon) ImageID(ctx context.Context, ref string) (string, error) {
	got, err := d.Image(ctx, ref)
	return got.ID, err
}

// ImageIDs lists all images.
func (d *daemon) ImageIDs(ctx context.Context) ([]string, error) {
	ctx, cancel := d.within(ctx, 3*d.timeout) // the engine adds up the layers of each
	defer cancel()
	list, err := d.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, d.fail(ctx, "listing the images", err)
	}
	ids := make([]string, 0, len(list))
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	return ids, nil
}

// HasImage reports whether there is an image with the name ref.
func (d *daemon) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := d.ImageID(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Images lists the names of a repository's images.
func (d *daemon) Images(ctx context.Context, repository string) ([]string, error) {
	ctx, cancel := d.short(ctx)
	defer cancel()
	options := image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))}
	list, err := d.api.ImageList(ctx, options)
	if err != nil {
		return nil, d.fail(ctx, "listing the images of "+repository, err)
	}
	var names []string
	for _, i := range list {
		for _, name := range i.RepoTags {
			// Podman's filter also matches the end of a name.
			if strings.HasPrefix(name, repository+":") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// RemoveImage takes a name away.
func (d *daemon) RemoveImage(ctx context.Context, ref string) error {
	ctx, cancel := d.within(ctx, 3*d.timeout)
	defer cancel()
	if _, err := d.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true}); err != nil {
		return d.fail(ctx, "removing image "+ref, err)
	}
	return nil
}

// failReading is fail for an answer that broke off or holds an error.
func (d *daemon) failReading(ctx context.Context, doing string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// A lentReader is the caller's reader, lent to the HTTP client. It remembers
// what the reader failed with, because the client wraps it beyond recognition and
// a caller's own fault is not the engine's; and it is taken back: the client may
// still be reading when an engine has answered early.
type lentReader struct {
	mu   sync.Mutex // guards what follows, and is held while reading
	r    io.Reader
	err  error
	back bool
}

func (l *lentReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back {
		return 0, errTakenBack
	}
	n, err := l.r.Read(p)
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

var errTakenBack = errors.New("engine: the load is over")

// takeBack ends the lending and returns what reading failed with.
func (l *lentReader) takeBack() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = true
	return l.err
}
