package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// callUnpack says what images come to in engines. Only the sender can: its store
// has them before anything is sent.
func (a *agent) callUnpack(ctx context.Context, req message.Unpack) (message.Unpacked, error) {
	st, set, err := a.open(req.SetID)
	if err != nil {
		return message.Unpacked{}, err
	}
	images, err := pick(set.Images, req.Images)
	if err != nil {
		return message.Unpacked{}, err
	}
	var all message.Unpacked
	seen := make(map[string]bool)
	for _, im := range images {
		if err := ctx.Err(); err != nil {
			return message.Unpacked{}, err
		}
		layers, err := unpackedLayers(st, im, req.Architecture)
		if err != nil {
			return message.Unpacked{}, problem(message.ReasonStore, fmt.Errorf("image %s:%s: %w", im.Repository, im.Tag, err))
		}
		for _, l := range layers {
			if !seen[l.Chain] {
				seen[l.Chain] = true
				all.Layers = append(all.Layers, l)
			}
		}
	}
	return all, nil
}

// maxConfig bounds an image's configuration, in bytes.
const maxConfig = 4 << 20

// unpackedLayers returns the layers of im, lowest first.
func unpackedLayers(st *store.Store, im store.Image, arch string) ([]message.Layer, error) {
	m, err := platformManifest(st, im.Manifest, arch)
	if err != nil {
		return nil, err
	}
	raw, err := st.ReadBlob(m.Config.Digest, maxConfig)
	if err != nil {
		return nil, err
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, fmt.Errorf("its configuration: %w", err)
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		return nil, nil // an artifact: no engine unpacks it
	}
	var layers []message.Layer
	for i, chain := range chains(config.RootFS.DiffIDs) {
		size, err := unpackedSize(st, m.Layers[i])
		if err != nil {
			return nil, err
		}
		layers = append(layers, message.Layer{Chain: chain, Bytes: size, Packed: m.Layers[i].Size})
	}
	return layers, nil
}

// platformManifest reads the manifest d or, when that is an index, the one in it for
// linux/arch.
func platformManifest(st *store.Store, d store.Digest, arch string) (store.Manifest, error) {
	for range store.MaxIndexDepth {
		raw, err := st.ReadBlob(d, store.MaxManifest)
		if err != nil {
			return store.Manifest{}, err
		}
		m, err := store.ParseManifest(raw)
		if err != nil || !m.IsIndex() {
			return m, err
		}
		i := slices.IndexFunc(m.Manifests, func(c store.Descriptor) bool {
			return c.Platform == nil || c.Platform.OS == "linux" && c.Platform.Architecture == arch
		})
		if i < 0 {
			return store.Manifest{}, fmt.Errorf("manifest %s has no image for linux/%s", d, arch)
		}
		d = m.Manifests[i].Digest
	}
	return store.Manifest{}, fmt.Errorf("manifest %s: indexes in indexes", d)
}

// chains returns the chain IDs of diff IDs (OCI image-spec, config.md#layer-chainid).
func chains(diffIDs []string) []string {
	all := make([]string, 0, len(diffIDs))
	for i, id := range diffIDs {
		if i > 0 {
			id = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(all[i-1]+" "+id)))
		}
		all = append(all, id)
	}
	return all
}

// zstdRatio is what a layer that does not say its size is taken to unpack to. Layers
// of distributions come to two to three times their blob.
const zstdRatio = 3

// unpackedSize tells how large a layer's tar is, without unpacking it: gzip ends
// with that size modulo 2^32 (RFC 1952, ISIZE).
func unpackedSize(st *store.Store, layer store.Descriptor) (int64, error) {
	if layer.Foreign() {
		return 0, nil
	}
	f, have, err := st.OpenBlob(layer.Digest)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const gzipLeast = 18 // bytes: header and trailer
	var head [4]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || have.Size < gzipLeast {
		if err == io.EOF {
			err = nil
		}
		return have.Size, err
	}
	switch {
	case head == [4]byte{0x28, 0xb5, 0x2f, 0xfd}:
		return zstdRatio * have.Size, nil
	case head[0] != 0x1f || head[1] != 0x8b:
		return have.Size, nil
	}
	var tail [4]byte
	if _, err := f.ReadAt(tail[:], have.Size-int64(len(tail))); err != nil {
		return 0, err
	}
	size := int64(binary.LittleEndian.Uint32(tail[:]))
	// What cannot be packed grows by less than a thousandth.
	for size < have.Size-have.Size/1000-gzipLeast {
		size += 1 << 32
	}
	return size, nil
}
