package imageset

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func (r *resolver) architectures() []string { return slices.Sorted(maps.Keys(r.archs)) }

// noteMixture says which images hosts of an architecture cannot run although the set
// has others for them (R5). That is not refused: a site may name its images by
// architecture.
func (r *resolver) noteMixture() {
	if len(r.archs) < 2 || len(r.im.opts.Platforms) > 0 { // else config says it image by image
		return
	}
	for _, arch := range r.architectures() {
		var lack []string
		for _, img := range r.im.tags {
			if on := r.runsOn[img.Manifest]; len(on) > 0 && !on[arch] {
				lack = append(lack, nameOf(img))
			}
		}
		if len(lack) > 0 {
			r.im.unmet = append(r.im.unmet, fmt.Sprintf("%d of %d images have nothing for %s, which others are for, first %s",
				len(lack), len(r.im.tags), printable(arch), printable(lack[0])))
		}
	}
}

// config notes the architecture of an image, or those of an index.
func (r *resolver) config(d store.Digest, m store.Manifest) error {
	r.runsOn[d] = make(map[string]bool)
	for _, c := range m.Manifests {
		maps.Copy(r.runsOn[d], r.runsOn[c.Digest])
	}
	arch, err := r.im.architecture(m)
	if arch == "" {
		return err
	}
	r.archs[arch], r.runsOn[d][arch] = true, true
	if !slices.ContainsFunc(r.im.opts.Platforms, func(p store.Platform) bool { return p.Architecture == arch }) &&
		len(r.im.opts.Platforms) > 0 {
		r.im.unmet = append(r.im.unmet, fmt.Sprintf("%s is for %s alone, and was taken as it is", r.image, printable(arch)))
	}
	return err
}

// architecture reads that of an image. Other artifacts have none.
func (im *importer) architecture(m store.Manifest) (string, error) {
	if m.Config == nil || m.Config.MediaType != store.MediaTypeDockerConfig && m.Config.MediaType != store.MediaTypeOCIConfig {
		return "", nil
	}
	raw, err := im.readBlob(m.Config.Digest, maxConfig)
	if err != nil {
		return "", err
	}
	var config struct {
		Architecture string `json:"architecture"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return "", fmt.Errorf("config %s: %w: %w", m.Config.Digest, store.ErrManifest, err)
	}
	if config.Architecture == "unknown" { // an attestation inside an index
		return "", nil
	}
	return config.Architecture, nil
}
