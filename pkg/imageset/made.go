package imageset

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Made knows which images of engines a store has: an engine's ID is that of an image's
// config or of its manifest, and both say what the layers are. So an image that was
// taken before need not be saved again. Safe for concurrent use.
type Made struct {
	st   *store.Store
	read func() map[store.Digest]made
}

// made is a manifest that the store has.
type made struct {
	store.Manifest
	digest store.Digest
}

// NewMade returns a Made for st, whose sets it reads when it is first asked.
func NewMade(st *store.Store) *Made {
	m := &Made{st: st}
	m.read = sync.OnceValue(m.readSets)
	return m
}

// Find returns the manifest that the store has for the image that an engine calls id,
// and reports whether it has all of that image, undamaged.
func (m *Made) Find(ctx context.Context, id string) (store.Digest, bool) {
	found, ok := m.read()[store.Digest(id)]
	if !ok {
		found, ok = m.loose(store.Digest(id))
	}
	if !ok {
		return "", false
	}
	prover := m.st.Prover()
	for _, c := range found.Children() {
		if prover.Prove(ctx, c.Blob()) != nil {
			return "", false
		}
	}
	return found.digest, true
}

// readSets maps the IDs that engines have to manifests. The sets that were used last
// come first.
func (m *Made) readSets() map[store.Digest]made {
	byID := make(map[store.Digest]made)
	infos, err := m.st.Sets()
	if err != nil {
		return byID // all is saved again
	}
	slices.SortStableFunc(infos, func(a, b store.SetInfo) int { return b.Used.Compare(a.Used) })
	seen := make(map[store.Digest]bool)
	for _, info := range infos {
		set, err := m.st.LoadSet(info.ID)
		if err != nil {
			continue
		}
		for _, img := range set.Images {
			if !seen[img.Manifest] {
				seen[img.Manifest] = true
				m.note(byID, img.Manifest)
			}
		}
	}
	return byID
}

// loose finds an image that belongs to no set: an import that was cut off has left it.
// The manifest is the one that its saving has made.
func (m *Made) loose(id store.Digest) (made, bool) {
	raw, err := m.st.ReadBlob(id, maxConfig)
	if err != nil {
		return made{}, false
	}
	d := id
	if layers := m.plainLayers(raw); len(layers) > 0 { // it is a config
		raw, err = manifestOf(store.Descriptor{MediaType: store.MediaTypeDockerConfig, Digest: id, Size: int64(len(raw))}, layers)
		if err != nil {
			return made{}, false
		}
		d = store.DigestOf(raw)
	}
	manifest, err := store.ParseManifest(raw)
	if err != nil || manifest.IsIndex() || manifest.Config == nil {
		return made{}, false
	}
	_, err = m.st.Stat(d)
	return made{manifest, d}, err == nil
}

// plainLayers returns the layers of an image with this config, as an engine saves them,
// as far as they are here; none when raw is no config.
func (m *Made) plainLayers(raw []byte) (layers []store.Descriptor) {
	for _, d := range diffIDs(raw) {
		blob, err := m.st.Stat(d)
		if err != nil {
			return nil
		}
		layers = append(layers, store.Descriptor{MediaType: mediaTypeLayerTar, Digest: d, Size: blob.Size})
	}
	return layers
}

// diffIDs are those of an image's config, none when raw is something else.
func diffIDs(raw []byte) []store.Digest {
	var c struct {
		RootFS struct {
			DiffIDs []store.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return nil
	}
	return c.RootFS.DiffIDs
}

// note takes the manifest of one image, which is no index: of an index the engine may
// have got more meanwhile.
func (m *Made) note(byID map[store.Digest]made, d store.Digest) {
	raw, err := m.st.ReadBlob(d, store.MaxManifest)
	if err != nil {
		return
	}
	manifest, err := store.ParseManifest(raw)
	if err != nil || manifest.IsIndex() || manifest.Config == nil {
		return
	}
	byID[d] = made{manifest, d}
	config := manifest.Config.Digest
	if _, isKnown := byID[config]; !isKnown && m.isPlain(manifest) {
		byID[config] = made{manifest, d}
	}
}

// isPlain reports whether a manifest's layers are those that an engine saves: not
// compressed, so that their digests are the config's own. Only then is the manifest
// what another saving of the image would make.
func (m *Made) isPlain(manifest store.Manifest) bool {
	raw, err := m.st.ReadBlob(manifest.Config.Digest, maxConfig)
	if err != nil {
		return false
	}
	return slices.EqualFunc(manifest.Layers, diffIDs(raw),
		func(l store.Descriptor, diffID store.Digest) bool { return l.Digest == diffID })
}
