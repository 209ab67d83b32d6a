package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A loaded host serves the set from its own store and has an engine.
func loadedHost(t *testing.T, cfg enginetest.FakeConfig) (*fleet, *node, *enginetest.Fake) {
	t.Helper()
	f := newFleet(t, 1)
	h := f.hosts[0]
	fake := enginetest.NewFake(t, cfg)
	h.agent.testEngineSocket = fake.Socket
	h.list(f.set, f.upstream)
	copyBlobs(t, f, h, len(f.set.Blobs))
	h.must(message.CallServe, message.Serve{}, nil)
	h.must(message.CallActivate, message.Activate{SetID: f.set.ID}, nil)
	return f, h, fake
}

func allImages(set *store.Set) (all message.Indexes) {
	for i := range set.Images {
		all.Add(i)
	}
	return all
}

// TestPreload: engines of every kind get the images under their exact names, by
// the digests of the set, and what is there is not fetched again.
func TestPreload(t *testing.T) {
	for name, cfg := range map[string]enginetest.FakeConfig{
		"Docker":            {},
		"containerds store": {Containerd: true},
		"Podman":            {Kind: engine.Podman},
	} {
		t.Run(name, func(t *testing.T) {
			f, h, fake := loadedHost(t, cfg)
			req := message.Preload{SetID: f.set.ID, Images: allImages(f.set), Registry: h.setup.Listen.String()}
			var got message.Preloaded
			h.must(message.CallPreload, req, &got)
			if got.Loaded != len(f.set.Images) || got.Present != 0 || len(got.Faults) > 0 {
				t.Fatalf("of %d images: %+v", len(f.set.Images), got)
			}
			var want []string
			for _, im := range f.set.Images {
				want = append(want, req.Registry+"/"+im.Repository+":"+im.Tag)
			}
			if have := fake.Images(); !slices.Equal(have, want) {
				t.Errorf("the engine has %q, want %q", have, want)
			}
			wantDigests(t, fake, f.set, want)
			pulled := len(fake.Pulled())
			got = message.Preloaded{}
			h.must(message.CallPreload, req, &got)
			if got.Loaded != 0 || got.Present != len(f.set.Images) || len(fake.Pulled()) != pulled {
				t.Errorf("a second time: %+v, pulled %q", got, fake.Pulled()[pulled:])
			}
		})
	}
}

// wantDigests asks the engine for the images by the set's digests.
func wantDigests(t *testing.T, fake *enginetest.Fake, set *store.Set, refs []string) {
	t.Helper()
	eng, err := engine.Dial(t.Context(), engine.Config{Socket: fake.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	for i, ref := range refs {
		im, err := eng.Image(t.Context(), ref)
		if err != nil || !isOneOf(engine.Image{Digests: im.Digests}, []store.Digest{set.Images[i].Manifest}) {
			t.Errorf("%s: %+v, %v; want manifest %s", ref, im, err, set.Images[i].Manifest)
		}
		info, err := eng.Info(t.Context())
		if err != nil || info.KeepsContent && im.ID != string(set.Images[i].Manifest) {
			t.Errorf("%s has ID %s, %v", ref, im.ID, err)
		}
	}
}

// TestPreloadFaults: one image that is not taken is named, and the others are
// loaded; an engine that is gone ends it.
func TestPreloadFaults(t *testing.T) {
	f, h, fake := loadedHost(t, enginetest.FakeConfig{})
	m, err := platformManifest(h.store(), f.set.Images[0].Manifest, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	own := m.Layers[len(m.Layers)-1].Digest
	path := filepath.Join(h.storeDir(), "docker/registry/v2/blobs/sha256", own.Hex()[:2], own.Hex(), "data")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	req := message.Preload{SetID: f.set.ID, Images: allImages(f.set), Registry: h.setup.Listen.String()}
	var got message.Preloaded
	h.must(message.CallPreload, req, &got)
	if len(got.Faults) != 1 || got.Loaded != len(f.set.Images)-1 || !strings.Contains(got.Faults[0].Image, f.set.Images[0].Repository) {
		t.Errorf("with a rotten layer: %+v", got)
	}
	fake.Down()
	h.refuses(message.CallPreload, req, message.ReasonEngine, "not running")
}

// TestR16RoomInTheEngine: layers that the engine has not are counted unpacked, and
// those that it has not at all.
func TestR16RoomInTheEngine(t *testing.T) {
	root := t.TempDir()
	f, h, _ := loadedHost(t, enginetest.FakeConfig{RootDir: root})
	var plan message.Unpacked
	f.sender.must(message.CallUnpack, message.Unpack{SetID: f.set.ID, Images: allImages(f.set), Architecture: runtime.GOARCH}, &plan)
	if len(plan.Layers) == 0 {
		t.Fatal("no layers")
	}
	for _, l := range plan.Layers {
		if l.Bytes < l.Packed*9/10 || l.Bytes > 3*l.Packed || !strings.HasPrefix(l.Chain, "sha256:") {
			t.Errorf("%+v: the samples' layers are noise, and hardly packed", l)
		}
	}
	room := message.Room{SetID: f.set.ID, MissingBytes: 1, Unpacked: plan}
	h.must(message.CallRoom, room, nil)

	for i := range plan.Layers {
		plan.Layers[i].Bytes = 1 << 58 / int64(len(plan.Layers))
	}
	h.refuses(message.CallRoom, room, message.ReasonDisk, root)
	req := message.Preload{SetID: f.set.ID, Images: allImages(f.set), Registry: h.setup.Listen.String()}
	h.must(message.CallPreload, req, nil)
	h.must(message.CallRoom, room, nil) // the engine has them now
}
