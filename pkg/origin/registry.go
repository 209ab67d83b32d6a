package origin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/signature"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// manifestTypes are what this program can take, in a registry's own words.
var manifestTypes = strings.Join([]string{store.MediaTypeOCIIndex, store.MediaTypeDockerList,
	store.MediaTypeOCIManifest, store.MediaTypeDockerManifest}, ", ")

// A registryOrigin is a running registry. Safe for concurrent use.
type registryOrigin struct {
	cfg    Config
	dialer *dialer
	prefix string // of repositories, with a slash behind it; or ""

	mu     sync.Mutex
	logins map[string]*login // by repository; "" is for the catalog
}

// A login is the right to read one repository.
type login struct {
	mu     sync.Mutex
	client *http.Client // nil before the first
}

func openRegistry(cfg Config, u *url.URL) (*registryOrigin, error) {
	d, err := newDialer(cfg, u.Host)
	if err != nil {
		return nil, err
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if !store.ValidRepository(prefix) {
			return nil, fmt.Errorf("%w: %q is not the front of a repository's name", ErrURL, prefix)
		}
		prefix += "/"
	}
	return &registryOrigin{cfg: cfg, dialer: d, prefix: prefix, logins: make(map[string]*login)}, nil
}

// Images implements imageset.Origin.
func (r *registryOrigin) Images(ctx context.Context) ([]store.Image, error) {
	names, literal := r.literal()
	if !literal {
		var err error
		if names, err = r.list(ctx); err != nil {
			return nil, err
		}
	}
	images := make([]store.Image, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requestsAtOnce)
	for i, name := range names {
		g.Go(func() error {
			d, err := r.resolve(ctx, name)
			images[i] = store.Image{Repository: name.repo, Tag: name.tag, Manifest: d}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if !r.cfg.Signatures {
		return images, nil
	}
	beside, err := r.signatures(ctx, images)
	return append(images, beside...), err
}

// signatures finds what lies beside images. That there is none may be fine.
func (r *registryOrigin) signatures(ctx context.Context, images []store.Image) ([]store.Image, error) {
	var mu sync.Mutex
	found := make(map[imageName]store.Digest)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requestsAtOnce)
	for _, img := range images {
		name := imageName{img.Repository, signature.Tag(string(img.Manifest))}
		g.Go(func() error {
			d, err := r.resolve(ctx, name)
			if errors.Is(err, imageset.ErrMissingBlob) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = d
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []store.Image
	for name, d := range found {
		out = append(out, store.Image{Repository: name.repo, Tag: name.tag, Manifest: d})
	}
	return out, nil
}

// imageName is a tag of a repository.
type imageName struct{ repo, tag string }

func (n imageName) String() string { return n.repo + ":" + n.tag }

// literal returns the images that are wanted when each pattern is a full name, so
// that a registry without a catalog will do.
func (r *registryOrigin) literal() ([]imageName, bool) {
	var names []imageName
	for _, p := range r.cfg.Images {
		repo, tag, ok := strings.Cut(p, ":")
		if !ok || !store.ValidTag(tag) || !store.ValidRepository(repo) {
			return nil, false
		}
		if !strings.HasPrefix(repo, r.prefix) {
			if strings.Contains(repo, "/") {
				return nil, false
			}
			repo = r.prefix + repo
		}
		if !strings.Contains(repo, "/") {
			return nil, false // it may stand for the last part of a name
		}
		names = append(names, imageName{repo, tag})
	}
	slices.SortFunc(names, compareNames)
	return slices.Compact(names), len(names) > 0
}

func compareNames(a, b imageName) int { return strings.Compare(a.String(), b.String()) }

// list asks for all tags of all repositories and returns what is wanted.
func (r *registryOrigin) list(ctx context.Context) ([]imageName, error) {
	repos, err := r.pages(ctx, "", "/v2/_catalog?n=1000", "repositories")
	if err != nil {
		return nil, fmt.Errorf("%w; a registry without a catalog needs full names: --image or --image-list", err)
	}
	repos = slices.DeleteFunc(repos, func(repo string) bool { return !strings.HasPrefix(repo, r.prefix) || !store.ValidRepository(repo) })
	tags := make([][]string, len(repos))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(requestsAtOnce)
	for i, repo := range repos {
		g.Go(func() (err error) {
			tags[i], err = r.pages(gctx, repo, "/v2/"+repo+"/tags/list?n=1000", "tags")
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a repository whose last tag was removed
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var names []imageName
	beside := 0
	for i, repo := range repos {
		for _, tag := range tags[i] {
			switch {
			case imageset.IsBeside(tag):
				beside++
			case len(r.cfg.Images) == 0 || imageset.MatchImage(r.cfg.Images, repo, tag):
				names = append(names, imageName{repo, tag})
			}
		}
	}
	if beside > 0 && !r.cfg.Signatures {
		r.cfg.Note(fmt.Sprintf("%d signatures and attestations beside images were left out", beside))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: %s has none of the images", imageset.ErrNotBundle, r.cfg.URL)
	}
	slices.SortFunc(names, compareNames)
	return slices.Compact(names), nil
}

// pages reads a list that may come in pages, each with a link to the next.
func (r *registryOrigin) pages(ctx context.Context, repo, path, field string) ([]string, error) {
	var all []string
	for range maxPages {
		res, err := r.do(ctx, repo, http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		raw, err := readBody(res, maxPage)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", imageset.ErrOrigin, path, err)
		}
		var page map[string]json.RawMessage
		var list []string
		if err := errors.Join(json.Unmarshal(raw, &page), unmarshalList(page[field], &list)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", imageset.ErrOrigin, path, err)
		}
		all = append(all, list...)
		if len(all) > store.MaxImages {
			return nil, fmt.Errorf("%w: more than %d %s", imageset.ErrTooLarge, store.MaxImages, field)
		}
		if path = nextPage(res); path == "" || len(list) == 0 {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%w: more than %d pages of %s", imageset.ErrTooLarge, maxPages, field)
}

func unmarshalList(raw json.RawMessage, list *[]string) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, list)
}

// nextPage returns the path of a Link header's next page; another host's is not
// followed.
func nextPage(res *http.Response) string {
	link := res.Header.Get("Link")
	_, rest, ok := strings.Cut(link, "<")
	target, params, ok2 := strings.Cut(rest, ">")
	if !ok || !ok2 || !strings.Contains(params, "next") {
		return ""
	}
	u, err := url.Parse(target)
	if err != nil || !strings.HasPrefix(u.Path, "/v2/") {
		return ""
	}
	return u.RequestURI()
}

// resolve asks which manifest a tag means.
func (r *registryOrigin) resolve(ctx context.Context, n imageName) (store.Digest, error) {
	res, err := r.do(ctx, n.repo, http.MethodHead, "/v2/"+n.repo+"/manifests/"+n.tag, acceptManifests)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &imageset.RefusedError{Image: n.String(), Err: fmt.Errorf("%w: the registry does not have it", imageset.ErrMissingBlob)}
	}
	if err != nil {
		return "", fmt.Errorf("image %s: %w", n, err)
	}
	res.Body.Close()
	if isSchema1(res) {
		return "", &imageset.RefusedError{Image: n.String(), Err: store.ErrSchema1}
	}
	if d, err := store.ParseDigest(res.Header.Get("Docker-Content-Digest")); err == nil {
		return d, nil
	}
	raw, err := r.manifest(ctx, n.repo, n.tag)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", n, err)
	}
	return store.DigestOf(raw), nil
}

// Manifest implements imageset.Origin.
func (r *registryOrigin) Manifest(ctx context.Context, repo string, d store.Digest) ([]byte, error) {
	return r.manifest(ctx, repo, string(d))
}

func (r *registryOrigin) manifest(ctx context.Context, repo, ref string) ([]byte, error) {
	res, err := r.do(ctx, repo, http.MethodGet, "/v2/"+repo+"/manifests/"+ref, acceptManifests)
	if err != nil {
		return nil, err
	}
	raw, err := readBody(res, store.MaxManifest)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", imageset.ErrOrigin, err)
	case isSchema1(res):
		return nil, store.ErrSchema1
	}
	return raw, nil
}

// Blob implements imageset.Origin.
func (r *registryOrigin) Blob(ctx context.Context, repo string, d store.Descriptor) (io.ReadCloser, error) {
	b := &blobReader{ctx: ctx, origin: r, repo: repo, blob: d.Blob()}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// Close implements imageset.Origin.
func (r *registryOrigin) Close() error {
	r.dialer.transport.CloseIdleConnections()
	return nil
}

func acceptManifests(req *http.Request) { req.Header.Set("Accept", manifestTypes) }

func isSchema1(res *http.Response) bool {
	return strings.HasPrefix(res.Header.Get("Content-Type"), "application/vnd.docker.distribution.manifest.v1+")
}

// readBody reads an answer to its end, at most max bytes of it.
func readBody(res *http.Response, max int64) ([]byte, error) {
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, max+1))
	if err == nil && int64(len(raw)) > max {
		err = fmt.Errorf("%w: more than %d bytes", imageset.ErrTooLarge, max)
	}
	return raw, err
}
