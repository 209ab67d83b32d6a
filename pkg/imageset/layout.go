package imageset

import (
	"fmt"
	"path"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// kind is what a file is in registry:2's layout.
type kind uint8

const (
	kindOther    kind = iota // outside the registry's directory
	kindVersion              // Daisy's registry-<version>-<date>.version
	kindUpload               // what an interrupted push left: not looked at
	kindBlob                 // blobs/sha256/<2 hex>/<64 hex>/data
	kindLayer                // repositories/<name>/_layers/sha256/<hex>/link
	kindRevision             // repositories/<name>/_manifests/revisions/sha256/<hex>/link
	kindTag                  // repositories/<name>/_manifests/tags/<tag>/current/link
	kindTagIndex             // repositories/<name>/_manifests/tags/<tag>/index/sha256/<hex>/link
)

// A place is what a file's name says.
type place struct {
	kind      kind
	repo, tag string
	digest    store.Digest // not of a kindTag: its link says which
}

// splitPrefix cuts name at the registry's directory: "tmp/registry",
// "blobs/...". It reports whether name lies in, or is, such a directory.
func splitPrefix(name string) (prefix, rest string, ok bool) {
	padded := "/" + name + "/"
	i := strings.Index(padded, "/"+store.RegistryRoot+"/")
	if i < 0 {
		return "", "", false
	}
	prefix = strings.Trim(padded[:i], "/")
	rest = strings.Trim(padded[i+len(store.RegistryRoot)+2:], "/")
	return prefix, rest, true
}

// placeOutside says what a file beside the registry is.
func placeOutside(name string) place {
	base := path.Base(name)
	if strings.HasPrefix(base, "registry-") && strings.HasSuffix(base, ".version") {
		return place{kind: kindVersion}
	}
	return place{}
}

// placeInside says what a file in the registry's directory is. What registry:2
// does not write is refused.
func placeInside(rest string) (place, error) {
	if after, ok := strings.CutPrefix(rest, "blobs/sha256/"); ok {
		return blobPlace(after)
	}
	after, ok := strings.CutPrefix(rest, "repositories/")
	if !ok {
		return place{}, unknown()
	}
	repo, below, ok := strings.Cut(after, "/_")
	if !ok || !store.ValidRepository(repo) {
		return place{}, unknown()
	}
	if strings.HasPrefix(below, "uploads/") {
		return place{kind: kindUpload}, nil
	}
	p, err := linkPlace(below)
	p.repo = repo
	return p, err
}

func unknown() error { return fmt.Errorf("%w: registry:2 has no such file", ErrUnsafe) }

// blobPlace reads <2 hex>/<64 hex>/data.
func blobPlace(s string) (place, error) {
	two, rest, _ := strings.Cut(s, "/")
	hex, file, _ := strings.Cut(rest, "/")
	d, err := store.ParseDigest("sha256:" + hex)
	if err != nil || file != "data" || !strings.HasPrefix(hex, two) || len(two) != 2 {
		return place{}, unknown()
	}
	return place{kind: kindBlob, digest: d}, nil
}

// linkPlace reads what follows "/_" in the path of a link.
func linkPlace(s string) (place, error) {
	dir, ok := strings.CutSuffix(s, "/link")
	if !ok {
		return place{}, unknown()
	}
	if hex, ok := strings.CutPrefix(dir, "layers/sha256/"); ok {
		return digestPlace(place{kind: kindLayer}, hex)
	}
	if hex, ok := strings.CutPrefix(dir, "manifests/revisions/sha256/"); ok {
		return digestPlace(place{kind: kindRevision}, hex)
	}
	if rest, ok := strings.CutPrefix(dir, "manifests/tags/"); ok {
		return tagPlace(rest)
	}
	return place{}, unknown()
}

// tagPlace reads <tag>/current or <tag>/index/sha256/<hex>.
func tagPlace(s string) (place, error) {
	tag, rest, _ := strings.Cut(s, "/")
	if !store.ValidTag(tag) {
		return place{}, unknown()
	}
	if rest == "current" {
		return place{kind: kindTag, tag: tag}, nil
	}
	if hex, ok := strings.CutPrefix(rest, "index/sha256/"); ok {
		return digestPlace(place{kind: kindTagIndex, tag: tag}, hex)
	}
	return place{}, unknown()
}

func digestPlace(p place, hex string) (place, error) {
	d, err := store.ParseDigest("sha256:" + hex)
	if err != nil {
		return place{}, unknown()
	}
	p.digest = d
	return p, nil
}
