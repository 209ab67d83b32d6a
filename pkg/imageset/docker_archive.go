package imageset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Layers of Docker's and OCI's kind, as they lie in an archive.
const (
	mediaTypeLayerTar  = "application/vnd.docker.image.rootfs.diff.tar"
	mediaTypeLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	mediaTypeLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
)

// saved is what docker save and podman save write: manifest.json lists images, each
// a config and layers that are mostly not compressed. There are no manifests: they
// are made here, always alike, so that the same archive makes the same images.
// Layers stay as they are.
type saved struct {
	files  files
	images []store.Image

	manifests map[store.Digest][]byte
	names     map[store.Digest]string // of configs and layers in the archive
	layers    map[string]savedLayer   // by name
}

type savedLayer struct {
	store.Descriptor
	diffID store.Digest
}

// savedImage is an entry of manifest.json.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// openSaved reads an archive's list and makes its manifests. The error wraps
// fs.ErrNotExist when files has no manifest.json.
func openSaved(files files, note func(string)) (*saved, error) {
	raw, err := readSmallFile(files, "manifest.json", maxSavedList)
	if err != nil {
		return nil, err
	}
	var list []savedImage
	if bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("%w: its manifest.json is an image's, as of skopeo's dir: form; copy it to oci:DIR:NAME:TAG with skopeo", ErrNotBundle)
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, &RefusedError{Entry: "manifest.json", Err: fmt.Errorf("%w: %w", ErrCorrupt, err)}
	}
	s := &saved{files: files, manifests: make(map[store.Digest][]byte),
		names: make(map[store.Digest]string), layers: make(map[string]savedLayer)}
	plain := false
	for _, img := range list {
		if len(img.RepoTags) == 0 {
			note(fmt.Sprintf("the image with the config %s has no name and was left out", printable(img.Config)))
			continue
		}
		if err := s.add(img); err != nil {
			return nil, err
		}
	}
	for _, l := range s.layers {
		plain = plain || l.MediaType == mediaTypeLayerTar
	}
	if plain {
		note("the archive's layers are not compressed, and are kept and sent as they are")
	}
	return s, nil
}

// add takes an image under all of its names.
func (s *saved) add(img savedImage) error {
	d, err := s.manifest(img)
	if errors.Is(err, fs.ErrNotExist) {
		//nolint:errorlint // no longer fs.ErrNotExist, which says that there is no list
		err = fmt.Errorf("%w: %v", ErrMissingBlob, err)
	}
	if err != nil {
		var read *readError
		if errors.As(err, &read) {
			return err
		}
		return &RefusedError{Image: printable(img.RepoTags[0]), Err: err}
	}
	for _, name := range img.RepoTags {
		repo, tag, ok := SplitName(name)
		if !ok {
			return &RefusedError{Image: printable(name), Err: fmt.Errorf("%w: not a name that a registry takes", ErrUnsafe)}
		}
		s.images = append(s.images, store.Image{Repository: repo, Tag: tag, Manifest: d})
	}
	return nil
}

// manifest makes the manifest of an image and returns its digest.
func (s *saved) manifest(img savedImage) (store.Digest, error) {
	if len(img.Layers) > maxLayers {
		return "", fmt.Errorf("%w: %d layers", ErrTooLarge, len(img.Layers))
	}
	config, err := readSmallFile(s.files, img.Config, maxConfig)
	if err != nil {
		return "", fmt.Errorf("config %s: %w", printable(img.Config), err)
	}
	var c struct {
		RootFS struct {
			DiffIDs []store.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return "", fmt.Errorf("config %s: %w: %w", printable(img.Config), ErrCorrupt, err)
	}
	d := store.DigestOf(config)
	if want, ok := digestInName(img.Config); ok && want != d {
		return "", fmt.Errorf("config %s: %w: it hashes to %s", printable(img.Config), store.ErrDigestMismatch, d)
	}
	if len(c.RootFS.DiffIDs) != len(img.Layers) {
		return "", fmt.Errorf("%w: the config has %d layers, the list %d", ErrCorrupt, len(c.RootFS.DiffIDs), len(img.Layers))
	}
	s.names[d] = img.Config
	layers := make([]store.Descriptor, 0, len(img.Layers))
	for i, name := range img.Layers {
		l, err := s.layer(name, c.RootFS.DiffIDs[i])
		if err != nil {
			return "", fmt.Errorf("layer %s: %w", printable(name), err)
		}
		layers = append(layers, l)
	}
	return s.keep(store.Descriptor{MediaType: store.MediaTypeDockerConfig, Digest: d, Size: int64(len(config))}, layers)
}

func (s *saved) keep(config store.Descriptor, layers []store.Descriptor) (store.Digest, error) {
	raw, err := manifestOf(config, layers)
	if err != nil {
		return "", err
	}
	d := store.DigestOf(raw)
	s.manifests[d] = raw
	return d, nil
}

// manifestOf makes a manifest's text. Docker has no type for zstd, OCI has.
func manifestOf(config store.Descriptor, layers []store.Descriptor) ([]byte, error) {
	m := struct {
		SchemaVersion int                `json:"schemaVersion"`
		MediaType     string             `json:"mediaType"`
		Config        store.Descriptor   `json:"config"`
		Layers        []store.Descriptor `json:"layers"`
	}{2, store.MediaTypeDockerManifest, config, layers}
	for _, l := range layers {
		if l.MediaType == mediaTypeLayerZstd {
			m.MediaType, m.Config.MediaType = store.MediaTypeOCIManifest, store.MediaTypeOCIConfig
		}
	}
	if m.MediaType == store.MediaTypeOCIManifest {
		for i, l := range layers {
			layers[i].MediaType = ociLayerTypes[l.MediaType]
		}
	}
	return json.Marshal(m)
}

var ociLayerTypes = map[string]string{
	mediaTypeLayerTar:  "application/vnd.oci.image.layer.v1.tar",
	mediaTypeLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
	mediaTypeLayerZstd: mediaTypeLayerZstd,
}

// layer says what a layer is. One that is not compressed has the digest that the
// config gives, which is proven when it is read; of a compressed one both digests
// are found out, for the config says only what it unpacks to.
func (s *saved) layer(name string, diffID store.Digest) (store.Descriptor, error) {
	if l, ok := s.layers[name]; ok {
		if l.diffID != diffID {
			return store.Descriptor{}, fmt.Errorf("%w: two configs say that it unpacks to %s and %s", ErrCorrupt, l.diffID, diffID)
		}
		return l.Descriptor, nil
	}
	body, size, err := s.files.open(name)
	if err != nil {
		return store.Descriptor{}, err
	}
	defer body.Close()
	magic := make([]byte, min(4, size))
	if _, err := io.ReadFull(body, magic); err != nil {
		return store.Descriptor{}, classify(noEOF(err))
	}
	l := savedLayer{store.Descriptor{MediaType: mediaTypeLayerTar, Digest: diffID, Size: size}, diffID}
	if kind := packing(magic); kind != packedNot {
		l.MediaType = map[packed]string{packedGzip: mediaTypeLayerGzip, packedZstd: mediaTypeLayerZstd}[kind]
		if l.Digest, err = packedDigest(io.MultiReader(bytes.NewReader(magic), body), diffID); err != nil {
			return store.Descriptor{}, err
		}
	}
	if want, ok := digestInName(name); ok && strings.HasPrefix(name, "blobs/") && want != l.Digest {
		return store.Descriptor{}, fmt.Errorf("%w: the config says %s", store.ErrDigestMismatch, l.Digest)
	}
	s.layers[name] = l
	s.names[l.Digest] = name
	return l.Descriptor, nil
}

// packedDigest returns the digest of a compressed layer, once it has proven that
// it unpacks to diffID.
func packedDigest(r io.Reader, diffID store.Digest) (store.Digest, error) {
	whole, inside := sha256.New(), sha256.New()
	tee := io.TeeReader(r, whole)
	un, err := unpackerOf(tee)
	if err != nil {
		return "", classify(err)
	}
	defer un.Close()
	if _, err := io.Copy(inside, un); err != nil {
		return "", classify(err)
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return "", classify(err)
	}
	if got := store.DigestOfSum(inside.Sum(nil)); got != diffID {
		return "", fmt.Errorf("%w: it unpacks to %s, the config says %s", store.ErrDigestMismatch, got, diffID)
	}
	return store.DigestOfSum(whole.Sum(nil)), nil
}

// digestInName returns the digest that a file's name claims: <hex>.json, or
// blobs/sha256/<hex>.
func digestInName(name string) (store.Digest, bool) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	hex, _, _ := strings.Cut(base, ".")
	d, err := store.ParseDigest("sha256:" + hex)
	return d, err == nil
}

// Images implements Origin.
func (s *saved) Images(context.Context) ([]store.Image, error) { return s.images, nil }

// Manifest implements Origin.
func (s *saved) Manifest(_ context.Context, _ string, d store.Digest) ([]byte, error) {
	raw, ok := s.manifests[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return raw, nil
}

// Blob implements Origin.
func (s *saved) Blob(_ context.Context, _ string, d store.Descriptor) (io.ReadCloser, error) {
	name, ok := s.names[d.Digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	body, _, err := s.files.open(name)
	return body, err
}

// Close implements Origin.
func (s *saved) Close() error { return nil }
