package origin

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// savedImage is what docker save writes of an image with one layer of its own and one
// that all have.
func savedImage(t *testing.T, name, content string) []byte {
	t.Helper()
	layers := []string{strings.Repeat("base", 300_000), strings.Repeat(content, 300_000)}
	var diffIDs, names []string
	for i, l := range layers {
		diffIDs = append(diffIDs, string(store.DigestOf([]byte(l))))
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
	}
	config := asJSON(t, map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
	configName := store.DigestOf(config).Hex() + ".json"
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	add := func(name string, body []byte) {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range layers {
		add(names[i], []byte(l))
	}
	add(configName, config)
	add("manifest.json", asJSON(t, []any{map[string]any{"Config": configName, "RepoTags": []string{name}, "Layers": names}}))
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What the store has of an engine's images is not saved again, unless it was damaged;
// and the sets are the same either way.
func TestEngineImagesAreSavedOnce(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	e, err := engine.Dial(t.Context(), engine.Config{Kind: engine.Docker, Socket: fake.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	load := func(name, content string) {
		t.Helper()
		if _, err := e.Load(t.Context(), bytes.NewReader(savedImage(t, name, content))); err != nil {
			t.Fatal(err)
		}
	}
	load("127.0.0.1:4000/kolla/a:1", "aaaa")
	load("127.0.0.1:4000/kolla/b:1", "bbbb")
	st := newStore(t)
	take := func(st *store.Store, saves int) *store.Set {
		t.Helper()
		before := len(fake.Saved())
		set, err := importFrom(t, st, Config{URL: "docker://" + fake.Socket, SpoolDir: t.TempDir(), Known: imageset.NewMade(st).Find})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(fake.Saved()) - before; got != saves {
			t.Errorf("%d images were saved, want %d: %v", got, saves, fake.Saved()[before:])
		}
		if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
			t.Error(err)
		}
		return set
	}
	first := take(st, 2)
	if again := take(st, 0); again.ID != first.ID {
		t.Error("another set of the same images")
	}
	load("127.0.0.1:4000/kolla/b:1", "new!")
	second := take(st, 1)
	if fresh := take(newStore(t), 2); fresh.ID != second.ID {
		t.Error("a store that had an image made another set than an empty one")
	}
	d := store.DigestOf([]byte(strings.Repeat("aaaa", 300_000)))
	path := filepath.Join(st.Dir(), store.RegistryRoot, "blobs/sha256", d.Hex()[:2], d.Hex(), "data")
	if err := os.WriteFile(path, []byte(strings.Repeat("aaaA", 300_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if repaired := take(st, 1); repaired.ID != second.ID {
		t.Error("another set after a repair")
	}
}

// TestCutOffEngineImportContinues: images that were taken before an import was cut off
// are not saved again, although no set names them.
func TestCutOffEngineImportContinues(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	e, err := engine.Dial(t.Context(), engine.Config{Kind: engine.Docker, Socket: fake.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, n := range []string{"a", "b", "c"} {
		if _, err := e.Load(t.Context(), bytes.NewReader(savedImage(t, "kolla/"+n+":1", strings.Repeat(n, 4)))); err != nil {
			t.Fatal(err)
		}
	}
	st := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	cfg := Config{URL: "docker://" + fake.Socket, SpoolDir: t.TempDir(), Known: func(ctx context.Context, id string) (store.Digest, bool) {
		if asked++; asked == 3 {
			cancel() // two are taken
		}
		return imageset.NewMade(st).Find(ctx, id)
	}}
	_, err = imageset.ImportAll(ctx, []imageset.Place{{Origins: Open(ctx, cfg)}}, st, imageset.ImportOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if sets, err := st.Sets(); err != nil || len(sets) > 0 {
		t.Fatalf("a set is there: %v, %v", sets, err)
	}
	before := len(fake.Saved())
	cfg.Known = imageset.NewMade(st).Find
	set, err := importFrom(t, st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again := len(fake.Saved()) - before; again != 1 || before < 2 {
		t.Errorf("%d images were saved, and then %d of 3", before, again)
	}
	cfg.Known = nil
	if fresh, err := importFrom(t, newStore(t), cfg); err != nil || fresh.ID != set.ID {
		t.Errorf("another set than a whole import makes: %v", err)
	}
	if err := st.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
}

// An image that gets lost between the question and its taking is saved after all.
func TestKnownImageIsLostMeanwhile(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	e, err := engine.Dial(t.Context(), engine.Config{Kind: engine.Docker, Socket: fake.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Load(t.Context(), bytes.NewReader(savedImage(t, "kolla/a:1", "aaaa"))); err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: "docker://" + fake.Socket, SpoolDir: t.TempDir()}
	st := newStore(t)
	first, err := importFrom(t, st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	empty := newStore(t)
	cfg.Known = imageset.NewMade(st).Find // of another store
	set, err := importFrom(t, empty, cfg)
	if err != nil || set.ID != first.ID || len(empty.Missing(set)) > 0 {
		t.Errorf("got %v, %v", set, err)
	}
}
