package imageset

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// What OCI's image-spec, image-layout.md, and containerd call an image's name.
const (
	annotationRefName   = "org.opencontainers.image.ref.name"
	annotationImageName = "io.containerd.image.name"
)

// A layout is an OCI layout: index.json names manifests, blobs/ has all content.
type layout struct {
	files  files
	images []store.Image
}

// openLayout reads a layout's index. The error wraps fs.ErrNotExist when files has
// none.
func openLayout(files files, note func(string)) (*layout, error) {
	raw, err := readSmallFile(files, "oci-layout", 4<<10)
	if err != nil {
		return nil, err
	}
	var version struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &version); err != nil || !strings.HasPrefix(version.Version, "1.") {
		return nil, &RefusedError{Entry: "oci-layout", Err: fmt.Errorf("%w: version %s", ErrCorrupt, printable(version.Version))}
	}
	raw, err = readSmallFile(files, "index.json", store.MaxManifest)
	if err != nil {
		return nil, err
	}
	l := &layout{files: files}
	if err := l.readIndex(raw, note); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *layout) readIndex(raw []byte, note func(string)) error {
	m, err := store.ParseManifest(raw)
	if err == nil && !m.IsIndex() {
		err = fmt.Errorf("%w: not an index", store.ErrManifest)
	}
	if err != nil {
		return &RefusedError{Entry: "index.json", Err: fmt.Errorf("%w: %w", ErrCorrupt, err)}
	}
	var index struct {
		Manifests []struct {
			Digest      store.Digest      `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return &RefusedError{Entry: "index.json", Err: fmt.Errorf("%w: %w", ErrCorrupt, err)}
	}
	for _, d := range index.Manifests {
		name := d.Annotations[annotationImageName]
		if name == "" {
			name = d.Annotations[annotationRefName]
		}
		repo, tag, ok := SplitName(name)
		if !ok {
			note(fmt.Sprintf("the image %s has no repository in its name (%q) and was left out", d.Digest, printable(name)))
			continue
		}
		l.images = append(l.images, store.Image{Repository: repo, Tag: tag, Manifest: d.Digest})
	}
	return nil
}

// Images implements Origin.
func (l *layout) Images(context.Context) ([]store.Image, error) { return l.images, nil }

// Manifest implements Origin.
func (l *layout) Manifest(_ context.Context, _ string, d store.Digest) ([]byte, error) {
	return readSmallFile(l.files, blobName(d), store.MaxManifest)
}

// Blob implements Origin.
func (l *layout) Blob(_ context.Context, _ string, d store.Descriptor) (io.ReadCloser, error) {
	body, size, err := l.files.open(blobName(d.Digest))
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		body.Close()
		return nil, fmt.Errorf("%w: it has %d bytes, the manifest says %d", store.ErrSizeMismatch, size, d.Size)
	}
	return body, nil
}

// Close implements Origin.
func (l *layout) Close() error { return nil }

// SplitName cuts an image's full name into repository and tag. The registry in
// front, which is where the image came from, is dropped; a name without a tag is
// latest's. It reports whether name has a repository: a word alone, as some tools
// write into a layout, is a tag.
func SplitName(name string) (repo, tag string, ok bool) {
	repo = name
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		repo, tag = name[:i], name[i+1:]
	}
	if strings.Contains(name, "@") || tag == "" && !strings.Contains(repo, "/") {
		return "", "", false
	}
	if host, rest, found := strings.Cut(repo, "/"); found && (strings.ContainsAny(host, ".:") && host[0] != '.' || host == "localhost") {
		repo = rest
	}
	if tag == "" {
		tag = "latest"
	}
	return repo, tag, store.ValidRepository(repo) && store.ValidTag(tag)
}
