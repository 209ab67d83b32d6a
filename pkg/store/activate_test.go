package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestActivateServesEveryImage(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	got, mode, err := s.Current()
	if err != nil || got.ID != set.ID || mode != ModeWhole {
		t.Fatalf("current is %v, %v, %v", got, mode, err)
	}
	checkServable(t, s, set)
	repos, err := s.Repositories()
	if err != nil || strings.Join(repos, " ") != "kolla/keystone kolla/nova/api" {
		t.Errorf("repositories: %v, %v", repos, err)
	}
	tags, err := s.Tags("kolla/nova/api")
	if err != nil || len(tags) != 1 || tags[0] != "6.0.0" {
		t.Errorf("tags: %v, %v", tags, err)
	}
	for _, repo := range []string{"kolla/nova", "kolla/none", "../../x"} {
		if _, err := s.Tags(repo); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("tags of %s: %v", repo, err)
		}
	}
	nova, _ := set.Lookup("kolla/nova/api", "6.0.0")
	if s.InRepository("kolla/keystone", nova) {
		t.Error("a manifest is in another repository")
	}
	if _, err := os.Stat(s.tagIndexLink("kolla/nova/api", "6.0.0", nova)); err != nil {
		t.Errorf("registry:2's index of the tag: %v", err)
	}
	if left := staged(t, s); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if err := s.Activate(set.ID); err != nil {
		t.Errorf("again: %v", err)
	}
}

// FAULTS 9: no tag ever names an image that is not whole.
func TestFault9ActivateNeedsEveryBlob(t *testing.T) {
	s := newTestStore(t)
	old := activate(t, s, "one")
	set, c := fakeSet(t, "two")
	fill(t, s, set, c)
	gone := set.Blobs[3]
	if err := s.RemoveBlob(gone.Digest); err != nil {
		t.Fatal(err)
	}
	err := s.Activate(set.ID)
	var incomplete *IncompleteError
	if !errors.Is(err, ErrIncomplete) || !errors.As(err, &incomplete) || len(incomplete.Missing) != 1 || incomplete.Missing[0] != gone {
		t.Errorf("got %v", err)
	}
	if got, _, err := s.Current(); err != nil || got.ID != old.ID {
		t.Errorf("current is %v, %v", got, err)
	}
	if d, err := s.ResolveTag("kolla/keystone", "6.0.0"); err != nil || d != old.Images[0].Manifest {
		t.Errorf("tag is %v, %v", d, err)
	}
}

func TestActivateRefusesASetThatLacksALayer(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	layer := DigestOf([]byte("base"))
	var blobs []Blob
	for _, b := range set.Blobs {
		if b.Digest != layer {
			blobs = append(blobs, b)
		}
	}
	short, err := NewSet(set.Images, blobs, nil, Release{}, set.Created)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, short, c)
	if err := s.Activate(short.ID); !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), string(layer)) {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.Current(); !errors.Is(err, ErrNoSet) {
		t.Errorf("current: %v", err)
	}
}

// FAULTS 69: a manifest on disk that is not the one the tag means.
func TestFault69DamagedManifestIsNotActivated(t *testing.T) {
	s := newTestStore(t)
	set, c := fakeSet(t, "one")
	fill(t, s, set, c)
	m := set.Images[0].Manifest
	data := []byte(strings.Replace(string(c[m]), MediaTypeDockerConfig, strings.ToUpper(MediaTypeDockerConfig), 1))
	if err := os.WriteFile(s.blobPath(m), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(set.ID); !errors.Is(err, ErrDigestMismatch) || !strings.Contains(err.Error(), "kolla/keystone:6.0.0") {
		t.Errorf("got %v", err)
	}
}

func TestActivateTakesIndexes(t *testing.T) {
	s := newTestStore(t)
	c := make(content)
	amd, arm := c.image(MediaTypeOCIManifest, "amd"), c.image("", "arm")
	inner := c.add([]byte(`{"schemaVersion":2,"manifests":[` + ref(string(arm.Digest), arm.Size) + `]}`))
	index := c.add([]byte(`{"schemaVersion":2,"mediaType":"` + MediaTypeOCIIndex + `","manifests":[` +
		ref(string(amd.Digest), amd.Size) + `,` + ref(string(inner.Digest), inner.Size) + `]}`))
	var blobs []Blob
	for d, data := range c {
		blobs = append(blobs, Blob{d, int64(len(data))})
	}
	set, err := NewSet([]Image{{"multi", "1", index.Digest}}, blobs, nil, Release{}, set1970)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, set, c)
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	for d := range c {
		if !s.InRepository("multi", d) {
			t.Errorf("%s is not in the repository", c[d])
		}
	}
}

// Kolla's multi-arch tags with the images of one architecture, and an image with
// a foreign layer.
func TestActivateTakesWhatMayBeAbsent(t *testing.T) {
	c := make(content)
	amd := c.image(MediaTypeOCIManifest, "amd")
	config := c.add([]byte("{}"))
	foreign := c.add([]byte(`{"schemaVersion":2,"mediaType":"` + MediaTypeDockerManifest + `","config":` + ref(string(config.Digest), config.Size) +
		`,"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"` + string(d1) + `","size":7}]}`))
	platform := func(b Blob, arch string) string {
		return strings.TrimSuffix(ref(string(b.Digest), b.Size), "}") + `,"platform":{"os":"linux","architecture":"` + arch + `"}}`
	}
	index := c.add([]byte(`{"schemaVersion":2,"manifests":[` + platform(amd, "amd64") + `,` + platform(Blob{d1, 5}, "arm64") + `,` +
		platform(Blob{d1, 5}, "unknown") + `]}`))
	empty := c.add([]byte(`{"schemaVersion":2,"manifests":[` + platform(Blob{d1, 5}, "arm64") + `]}`))
	own := c.add([]byte(`{"schemaVersion":2,"manifests":[` + platform(amd, "amd64") + `,` + platform(Blob{d1, 5}, "amd64") + `]}`))
	var blobs []Blob
	for d, data := range c {
		blobs = append(blobs, Blob{d, int64(len(data))})
	}
	for name, tt := range map[string]struct {
		manifest Digest
		ok       bool
	}{"multi": {index.Digest, true}, "foreign": {foreign.Digest, true}, "empty": {empty.Digest, false}, "own": {own.Digest, false}} {
		s := newTestStore(t)
		set, err := NewSet([]Image{{name, "1", tt.manifest}}, blobs, []string{"amd64"}, Release{}, set1970)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, set, c)
		if err := s.Activate(set.ID); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrSet) {
			t.Errorf("%s: %v", name, err)
		}
		if s.InRepository(name, d1) {
			t.Errorf("%s: a link leads to what is absent", name)
		}
	}
}

// RULES R9: a host that falls back resolves tags from the new list, although
// its store has the old images.
func TestR9LeanSwitchesTagsOnly(t *testing.T) {
	s := newTestStore(t)
	old := activate(t, s, "one")
	set, _ := fakeSet(t, "two")
	if err := s.Lean(set.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a set that is not here: %v", err)
	}
	if err := s.PutSet(set); err != nil {
		t.Fatal(err)
	}
	if err := s.Lean(set.ID); err != nil {
		t.Fatal(err)
	}
	got, mode, err := s.Current()
	if err != nil || got.ID != set.ID || mode != ModeLean {
		t.Fatalf("current is %v, %v, %v", got, mode, err)
	}
	if d, _ := got.Lookup("kolla/keystone", "6.0.0"); d == old.Images[0].Manifest {
		t.Error("the tag is stale")
	}
	if len(s.Missing(old)) != 0 {
		t.Error("blobs of the old set are gone")
	}
}

// A registry is another process: it must see a switch at its next request.
func TestCurrentSeesASwitchByAnotherProcess(t *testing.T) {
	writer := newTestStore(t)
	reader, err := Open(writer.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var last *Set
	for i, version := range []string{"one", "two", "one", "three", "two"} {
		set := activate(t, writer, version)
		got, _, err := reader.Current()
		if err != nil || got.ID != set.ID {
			t.Fatalf("switch %d: %v, %v", i, got, err)
		}
		if again, _, _ := reader.Current(); again != got {
			t.Error("an unchanged set was parsed again")
		}
		last = got
	}
	if err := writer.Lean(last.ID); err != nil {
		t.Fatal(err)
	}
	if _, mode, err := reader.Current(); err != nil || mode != ModeLean {
		t.Errorf("mode is %v, %v", mode, err)
	}
}

func TestCurrentRefusesADamagedPointer(t *testing.T) {
	s := newTestStore(t)
	set := activate(t, s, "one")
	for _, text := range []string{"", "whole", "whole ../../x", "half " + set.ID, set.ID, strings.Repeat("x", 5000)} {
		if err := os.WriteFile(s.currentPath(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.Current(); err == nil || errors.Is(err, ErrNoSet) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// FAULTS 73: the process is killed between any two steps of the second run.
// What is on disk at each of them is copied, and opened as after a restart.
func TestFault73KilledAnywhereLeavesOldOrNew(t *testing.T) {
	s := newTestStore(t)
	old := activate(t, s, "one")
	set, c := fakeSet(t, "two")
	copies := t.TempDir()
	steps := 0
	s.testOnly.step = func(name string) {
		steps++
		dir := filepath.Join(copies, name+strings.Repeat("+", steps))
		if err := os.CopyFS(dir, os.DirFS(s.Dir())); err != nil {
			t.Fatal(err)
		}
		checkAfterKill(t, dir, name, old, set)
	}
	fill(t, s, set, c)
	if err := s.Activate(set.ID); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Current(); err != nil || got.ID != set.ID {
		t.Fatalf("current is %v, %v", got, err)
	}
	if _, err := s.GC(1); err != nil {
		t.Fatal(err)
	}
	if want := 20; steps < want {
		t.Errorf("only %d steps were looked at, want %d", steps, want)
	}
}

func checkAfterKill(t *testing.T, dir, step string, old, set *Set) {
	t.Helper()
	os.Chmod(filepath.Join(dir, ownDir, "staging"), 0o700)
	s, err := Create(Config{Dir: dir})
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	defer s.Close()
	got, mode, err := s.Current()
	if err != nil || mode != ModeWhole || got.ID != old.ID && got.ID != set.ID {
		t.Fatalf("%s: current is %v, %v, %v", step, got, mode, err)
	}
	if missing := s.Missing(got); len(missing) > 0 {
		t.Errorf("%s: the current set lacks %d blobs", step, len(missing))
	}
	for _, m := range got.Images { // another registry sees, tag by tag, a whole image
		if err := tagIsWhole(s, m.Repository, m.Tag); err != nil {
			t.Errorf("%s: %s: %v", step, m.Repository, err)
		}
	}
	if left := staged(t, s); len(left) > 0 {
		t.Errorf("%s: left over: %v", step, left)
	}
}
