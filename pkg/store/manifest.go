package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Media types of manifests that are served (Docker's image-spec v2 schema 2 and
// OCI's image-spec).
const (
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeOCIIndex       = "application/vnd.oci.image.index.v1+json"

	// MediaTypeDockerConfig and MediaTypeOCIConfig are those of an image's config.
	MediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	MediaTypeOCIConfig    = "application/vnd.oci.image.config.v1+json"
)

// A Descriptor is a reference inside a manifest.
type Descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    Digest    `json:"digest"`
	Size      int64     `json:"size"` // bytes
	URLs      []string  `json:"urls,omitempty"`
	Platform  *Platform `json:"platform,omitempty"`
}

// Foreign reports whether the descriptor is of a layer that registries need not
// hold: engines fetch it from its URLs.
func (d Descriptor) Foreign() bool {
	return strings.Contains(d.MediaType, ".foreign.") || strings.Contains(d.MediaType, ".nondistributable.")
}

// Blob returns what the descriptor refers to.
func (d Descriptor) Blob() Blob { return Blob{Digest: d.Digest, Size: d.Size} }

// A Platform is what an index says about one of its manifests. Names are Go's.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// String returns os/architecture, and the variant where there is one.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// A Manifest is what a manifest or an index refers to.
type Manifest struct {
	MediaType    string
	ArtifactType string
	Config       *Descriptor  // nil in an index
	Layers       []Descriptor // of an image, base first
	Manifests    []Descriptor // of an index
	Subject      *Descriptor  // what it is a referrer of, or nil
	Annotations  map[string]string
}

// IsIndex reports whether the manifest is a list of manifests.
func (m Manifest) IsIndex() bool {
	return m.MediaType == MediaTypeDockerList || m.MediaType == MediaTypeOCIIndex
}

// Children returns all that the manifest refers to: config and layers of an
// image, manifests of an index. The subject is not among them. What of it must be
// present is said by Needs.
func (m Manifest) Children() []Descriptor {
	if m.IsIndex() {
		return m.Manifests
	}
	return append([]Descriptor{*m.Config}, m.Layers...)
}

// manifestJSON is the union of the four kinds. FSLayers is schema 1's.
type manifestJSON struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *Descriptor       `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Manifests     []Descriptor      `json:"manifests"`
	Subject       *Descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
	FSLayers      json.RawMessage   `json:"fsLayers"`
}

// ParseManifest reads a manifest or an index, of Docker's or OCI's kind. One
// that could be read as both an image and an index is refused, as registries do
// since CVE-2021-41190. The error wraps ErrManifest; for Docker's schema 1 it is
// ErrSchema1.
func ParseManifest(raw []byte) (Manifest, error) {
	if len(raw) > MaxManifest {
		return Manifest{}, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrManifest, len(raw), MaxManifest)
	}
	var j manifestJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	mediaType, err := j.kind()
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		MediaType:    mediaType,
		ArtifactType: j.ArtifactType,
		Config:       j.Config,
		Layers:       j.Layers,
		Manifests:    j.Manifests,
		Subject:      j.Subject,
		Annotations:  j.Annotations,
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// kind decides what the manifest is. OCI allows the mediaType field to be
// absent; then the fields that are there decide.
func (j *manifestJSON) kind() (string, error) {
	switch {
	case j.SchemaVersion == 1 || j.FSLayers != nil:
		return "", ErrSchema1
	case j.SchemaVersion != 2:
		return "", fmt.Errorf("%w: schemaVersion %d", ErrManifest, j.SchemaVersion)
	case j.Manifests != nil && (j.Config != nil || j.Layers != nil):
		return "", fmt.Errorf("%w: both an image and an index", ErrManifest)
	}
	switch j.MediaType {
	case MediaTypeDockerManifest, MediaTypeOCIManifest:
		return j.MediaType, j.want(j.Config != nil, "config")
	case MediaTypeDockerList, MediaTypeOCIIndex:
		return j.MediaType, j.want(j.Manifests != nil, "manifests")
	case "":
		if j.Manifests != nil {
			return MediaTypeOCIIndex, nil
		}
		return MediaTypeOCIManifest, j.want(j.Config != nil, "config")
	}
	return "", fmt.Errorf("%w: media type %q", ErrManifest, clip(j.MediaType))
}

func (j *manifestJSON) want(ok bool, field string) error {
	if !ok {
		return fmt.Errorf("%w: no %s", ErrManifest, field)
	}
	return nil
}

func (m *Manifest) check() error {
	if len(m.Layers) > maxReferences || len(m.Manifests) > maxReferences {
		return fmt.Errorf("%w: %d references, at most %d are taken",
			ErrManifest, len(m.Layers)+len(m.Manifests), maxReferences)
	}
	all := m.Children()
	if m.Subject != nil {
		all = append(slices.Clip(all), *m.Subject)
	}
	for _, d := range all {
		if d.Digest == "" {
			return fmt.Errorf("%w: a reference without a digest", ErrManifest)
		}
		if d.Size < 0 || d.Size > MaxBlobSize {
			return fmt.Errorf("%w: %s has size %d", ErrManifest, d.Digest, d.Size)
		}
		if len(d.URLs) > maxURLs {
			return fmt.Errorf("%w: %s has %d URLs", ErrManifest, d.Digest, len(d.URLs))
		}
	}
	return nil
}
