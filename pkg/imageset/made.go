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
	var c struct {
		RootFS struct {
			DiffIDs []store.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	return json.Unmarshal(raw, &c) == nil && slices.EqualFunc(manifest.Layers, c.RootFS.DiffIDs,
		func(l store.Descriptor, diffID store.Digest) bool { return l.Digest == diffID })
}
