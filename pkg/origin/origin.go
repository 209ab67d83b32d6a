package origin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A Config says what to read and by what right. All of it can travel to another
// machine, which then needs nothing of the operator's.
type Config struct {
	URL string `json:"url"`
	// Images are patterns, as imageset.MatchImage takes them; a registry is asked
	// for what is needed only. All images when empty.
	Images []string `json:"images,omitempty"`
	// Signatures takes cosign's signatures of the images too, where there are any.
	Signatures bool `json:"signatures,omitempty"`
	// Access is for a registry; the zero value is nobody's.
	Access Access `json:"access"`
	// CA, in PEM, is trusted in place of the system's for a registry. With it a
	// loopback address is spoken to by HTTPS too.
	CA []byte `json:"ca,omitempty"`
	// Insecure speaks HTTP to any registry. Digests are proven all the same; which
	// image a tag means, nobody proves.
	Insecure bool `json:"insecure,omitempty"`
	// Proxy is as the environment of the operator says.
	Proxy Proxy `json:"proxy"`
	// SpoolDir is where an engine's archives are kept while they are read; the
	// default is the system's directory of temporary files.
	SpoolDir string `json:"-"`
	// Known returns the manifest of an image that an engine calls by this ID, where
	// all of it was taken before: such an image is not saved again. May be nil.
	Known func(ctx context.Context, id string) (store.Digest, bool) `json:"-"`
	// Note is told what is left out; may be nil.
	Note func(text string) `json:"-"`
}

// Access is what a registry wants of who reads.
type Access struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identity_token,omitempty"`
	RegistryToken string `json:"registry_token,omitempty"`
}

// String hides what Access holds, so that it does not end in a log.
func (a Access) String() string {
	if a == (Access{}) {
		return "none"
	}
	return "hidden"
}

// Proxy is the proxies that the environment names.
type Proxy struct {
	HTTP  string `json:"http,omitempty"`
	HTTPS string `json:"https,omitempty"`
	None  string `json:"none,omitempty"` // hosts that are reached without
}

// ErrURL is for a URL that names no origin.
var ErrURL = errors.New("origin: not a source of images")

// IsURL reports whether a source is this package's and not a path.
func IsURL(source string) bool {
	scheme, _, ok := strings.Cut(source, "://")
	return ok && (scheme == "registry" || scheme == "docker" || scheme == "podman")
}

// Check says what is wrong with a URL, without a connection. The error wraps
// ErrURL.
func Check(source string) error {
	_, err := parse(source)
	return err
}

func parse(source string) (*url.URL, error) {
	u, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	switch {
	case !IsURL(source):
		return nil, fmt.Errorf("%w: %q: want registry://, docker:// or podman://", ErrURL, source)
	case u.User != nil:
		return nil, fmt.Errorf("%w: a password in a URL is seen by others; use docker login", ErrURL)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%w: %q has a query", ErrURL, source)
	case u.Scheme == "registry" && u.Host == "":
		return nil, fmt.Errorf("%w: %q names no host", ErrURL, source)
	case u.Scheme != "registry" && u.Host != "":
		return nil, fmt.Errorf("%w: %q: an engine is on this machine: want %s:// or %s:///path/to/socket", ErrURL, source, u.Scheme, u.Scheme)
	}
	return u, nil
}

// Open connects to what cfg names and gives its origins one after the other.
func Open(ctx context.Context, cfg Config) iter.Seq2[imageset.Origin, error] {
	return func(yield func(imageset.Origin, error) bool) {
		u, err := parse(cfg.URL)
		if err != nil {
			yield(nil, err)
			return
		}
		cfg.Note = once(cfg.Note)
		if u.Scheme != "registry" {
			engineImages(ctx, cfg, u, yield)
			return
		}
		r, err := openRegistry(cfg, u)
		if err != nil {
			yield(nil, err)
			return
		}
		yield(r, nil)
	}
}

// once tells each line one time: an engine's images are alike.
func once(note func(string)) func(string) {
	told := make(map[string]bool)
	return func(text string) {
		if note != nil && !told[text] {
			told[text] = true
			note(text)
		}
	}
}
