package sample

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

const mediaTypeLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip"

// An image is the JSON of one image and its layers, base first.
type image struct {
	repository       string
	manifest, config []byte
	layers           []layer
}

// A plan is all that goes into a bundle.
type plan struct {
	o      Options
	images []image
}

// newPlan makes the images: shared layers, the image's own, the program.
func newPlan(o Options) (*plan, error) {
	var shared []layer
	for i := range max(o.SharedLayers, 0) {
		stream := uint64(i)
		if o.ChangedBase && i == o.SharedLayers-1 {
			stream += o.Revision << 32 // no other layer's: there are fewer
		}
		shared = append(shared, randomLayer(fmt.Sprintf("usr/share/base-%d.bin", i), o.LayerSize, o.Seed, stream))
	}
	var program []layer
	if len(o.Program) > 0 {
		program = append(program, programLayer(o.Program))
	}
	if err := measureAll(shared, program); err != nil {
		return nil, err
	}
	p := &plan{o: o}
	for _, name := range o.Images {
		own := []layer{ownLayer(o, name)}
		if err := measureAll(own); err != nil {
			return nil, err
		}
		layers := append(append(append([]layer(nil), shared...), own...), program...)
		img, err := newImage(o, name, layers)
		if err != nil {
			return nil, err
		}
		p.images = append(p.images, img)
	}
	return p, nil
}

func measureAll(lists ...[]layer) error {
	for _, list := range lists {
		for i := range list {
			if err := list[i].measure(); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownLayer is of the image alone: its stream depends on its name, and on the
// revision when that concerns it.
func ownLayer(o Options, name string) layer {
	h := fnv.New64a()
	h.Write([]byte(name))
	stream := h.Sum64() | 1<<63 // apart from the shared layers' numbers
	if o.changed(name) {
		stream += o.Revision * 0x9e3779b97f4a7c15
		stream |= 1 << 63
	}
	return randomLayer("usr/share/"+name+".bin", o.LayerSize, o.Seed, stream)
}

type configJSON struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Created      time.Time     `json:"created"`
	Config       runJSON       `json:"config"`
	RootFS       rootFSJSON    `json:"rootfs"`
	History      []historyJSON `json:"history"`
}

type runJSON struct {
	Env        []string          `json:"Env"`
	Entrypoint []string          `json:"Entrypoint,omitempty"`
	Cmd        []string          `json:"Cmd,omitempty"`
	Labels     map[string]string `json:"Labels"`
}

type rootFSJSON struct {
	Type    string         `json:"type"`
	DiffIDs []store.Digest `json:"diff_ids"`
}

type historyJSON struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

type manifestJSON struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Config        descriptorJSON   `json:"config"`
	Layers        []descriptorJSON `json:"layers"`
}

type descriptorJSON struct {
	MediaType string       `json:"mediaType"`
	Size      int64        `json:"size"`
	Digest    store.Digest `json:"digest"`
}

func newImage(o Options, name string, layers []layer) (image, error) {
	config := configJSON{
		Architecture: o.Architecture, OS: "linux", Created: epoch,
		Config: runJSON{
			Env:    []string{"PATH=/"},
			Labels: map[string]string{"name": name, "build-date": epoch.Format(time.DateOnly)},
		},
		RootFS: rootFSJSON{Type: "layers"},
	}
	if len(o.Program) > 0 {
		config.Config.Entrypoint, config.Config.Cmd = []string{"/app"}, o.Args
	}
	manifest := manifestJSON{SchemaVersion: 2, MediaType: store.MediaTypeDockerManifest}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diffID)
		config.History = append(config.History, historyJSON{epoch, "sample " + l.path})
		manifest.Layers = append(manifest.Layers, descriptorJSON{mediaTypeLayer, l.blob.Size, l.blob.Digest})
	}
	img := image{repository: o.repository(name), layers: layers}
	var err error
	if img.config, err = json.Marshal(config); err != nil {
		return image{}, err
	}
	manifest.Config = descriptorJSON{store.MediaTypeDockerConfig, int64(len(img.config)), store.DigestOf(img.config)}
	img.manifest, err = json.Marshal(manifest)
	return img, err
}
