package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

const repository = "localhost/daisy-mcast-enginetest"

// Run checks that e does what [engine.Engine] promises. It loads a tiny image
// and runs it, and leaves nothing behind. It needs an engine that may start
// containers.
func Run(t *testing.T, e engine.Engine) {
	c := &conformance{e: e, ref: fmt.Sprintf("%s:%d", repository, os.Getpid())}
	c.name = fmt.Sprintf("daisy-mcast-enginetest-%d", os.Getpid())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	defer c.clean()
	for _, step := range []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"info", c.info},
		{"load", c.load},
		{"load of a broken archive", c.loadBroken},
		{"load by a reader that fails", c.loadFailing},
		{"create", c.create},
		{"run without an image", c.runNoImage},
		{"run", c.run},
		{"the beginning of an ID", c.prefix},
		{"conflicts", c.conflicts},
		{"rename", c.rename},
		{"stop and remove", c.stop},
		{"what is absent", c.absent},
		{"pull of a loose reference", c.pullLoose},
		{"pull from nowhere", c.pullNowhere},
		{"remove the image", c.removeImage},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(ctx, t) }) {
			return // each step needs what the ones before it made
		}
	}
}

type conformance struct {
	e         engine.Engine
	ref, name string
	arch      string
}

func (c *conformance) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{c.name, c.name + "-renamed"} {
		_ = c.e.Remove(ctx, name)
	}
	_ = c.e.RemoveImage(ctx, c.ref)
}

func (c *conformance) info(ctx context.Context, t *testing.T) {
	info, err := c.e.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if info.Kind != engine.Docker && info.Kind != engine.Podman {
		t.Errorf("kind is %q", info.Kind)
	}
	if info.Version == "" || info.RootDir == "" || info.APIVersion == "" || info.Socket == "" {
		t.Errorf("incomplete: %+v", info)
	}
	c.arch = info.Arch
}

func (c *conformance) load(ctx context.Context, t *testing.T) {
	program := sleeper(c.arch)
	if program == nil {
		t.Skipf("no test program for %s", c.arch)
	}
	archive := engine.ProgramImage(bytes.NewReader(program), int64(len(program)), c.arch, c.ref)
	names, err := c.e.Load(ctx, archive)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{c.ref}) {
		t.Errorf("loaded %q, want %q", names, c.ref)
	}
	id, err := c.e.ImageID(ctx, c.ref)
	if err != nil || !strings.HasPrefix(id, "sha256:") {
		t.Errorf("image ID %q, %v", id, err)
	}
	if has, err := c.e.HasImage(ctx, c.ref); err != nil || !has {
		t.Errorf("has the image: %v, %v", has, err)
	}
	if list, err := c.e.Images(ctx, repository); err != nil || !slices.Contains(list, c.ref) {
		t.Errorf("images %q, %v; want %s among them", list, err, c.ref)
	}
	ids, err := c.e.ImageIDs(ctx)
	if err != nil || !slices.Contains(ids, id) {
		t.Errorf("IDs %q, %v; want %s among them", ids, err, id)
	}
	for _, ref := range []string{c.ref, id} {
		if im, err := c.e.Image(ctx, ref); err != nil || im.ID != id || len(im.Layers) != 1 {
			t.Errorf("image %s: %+v, %v", ref, im, err)
		}
	}
}

func (c *conformance) loadBroken(ctx context.Context, t *testing.T) {
	var refused *engine.RefusedError
	_, err := c.e.Load(ctx, bytes.NewReader(make([]byte, 10)))
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want a RefusedError", err)
	}
}

var errReader = errors.New("the reader's own")

func (c *conformance) loadFailing(ctx context.Context, t *testing.T) {
	if _, err := c.e.Load(ctx, iotest.ErrReader(errReader)); !errors.Is(err, errReader) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

func (c *conformance) create(ctx context.Context, t *testing.T) {
	spec := c.container(t)
	spec.Restart = false
	id, err := c.e.Create(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.e.Inspect(ctx, c.name); err != nil || s.Running || s.PID != 0 || s.ID != id || s.Restart {
		t.Errorf("created: %+v, %v", s, err)
	}
	if err := c.e.Remove(ctx, id); err != nil {
		t.Error(err)
	}
}

func (c *conformance) runNoImage(ctx context.Context, t *testing.T) {
	spec := c.container(t)
	spec.Image = repository + ":nothing"
	if _, err := c.e.Run(ctx, spec); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := c.e.Inspect(ctx, c.name); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("its container is left: %v", err)
	}
}

func (c *conformance) prefix(ctx context.Context, t *testing.T) {
	s, err := c.e.Inspect(ctx, c.name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.e.Inspect(ctx, s.ID[:12]); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func (c *conformance) container(t *testing.T) engine.Container {
	dir := t.TempDir()
	file := filepath.Join(dir, "certificate")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return engine.Container{
		Name:   c.name,
		Image:  c.ref,
		Args:   []string{"one", "two words"},
		User:   "0:0",
		Labels: map[string]string{"daisy-mcast.test": "yes"},
		Mounts: []engine.Mount{
			{Source: dir, Target: engine.StorePath},
			{Source: file, Target: engine.CertsPath + "/certificate"},
		},
		Restart: true,
	}
}

func (c *conformance) run(ctx context.Context, t *testing.T) {
	id, err := c.e.Run(ctx, c.container(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.e.Inspect(ctx, c.name)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Running || s.PID <= 0 || s.ID != id || s.Name != c.name || s.Image != c.ref || !s.Restart {
		t.Errorf("state of the running container: %+v", s)
	}
	if s.Labels["daisy-mcast.test"] != "yes" || !slices.Equal(s.Args, []string{"one", "two words"}) {
		t.Errorf("labels %v, arguments %q", s.Labels, s.Args)
	}
	if err := c.e.Start(ctx, c.name); err != nil {
		t.Errorf("starting what runs: %v", err)
	}
}

func (c *conformance) conflicts(ctx context.Context, t *testing.T) {
	if _, err := c.e.Create(ctx, c.container(t)); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a second container of that name: %v", err)
	}
	if err := c.e.RemoveImage(ctx, c.ref); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("removing an image in use: %v", err)
	}
}

func (c *conformance) rename(ctx context.Context, t *testing.T) {
	renamed := c.name + "-renamed"
	if err := c.e.Rename(ctx, c.name, renamed); err != nil {
		t.Fatal(err)
	}
	if s, err := c.e.Inspect(ctx, renamed); err != nil || !s.Running {
		t.Errorf("under its new name: %+v, %v", s, err)
	}
	if _, err := c.e.Inspect(ctx, c.name); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("under its old name: %v", err)
	}
	if err := c.e.Rename(ctx, renamed, c.name); err != nil {
		t.Error(err)
	}
}

// The sleeper is process 1 and ignores SIGTERM, so this also shows SIGKILL.
func (c *conformance) stop(ctx context.Context, t *testing.T) {
	if err := c.e.Stop(ctx, c.name); err != nil {
		t.Fatal(err)
	}
	if s, err := c.e.Inspect(ctx, c.name); err != nil || s.Running || s.PID != 0 {
		t.Errorf("stopped: %+v, %v", s, err)
	}
	if err := c.e.Stop(ctx, c.name); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	if err := c.e.Remove(ctx, c.name); err != nil {
		t.Error(err)
	}
}

func (c *conformance) absent(ctx context.Context, t *testing.T) {
	if _, err := c.e.Inspect(ctx, c.name); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("inspecting: %v", err)
	}
	if err := c.e.Stop(ctx, c.name); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if err := c.e.Remove(ctx, c.name); err != nil {
		t.Errorf("removing: %v", err)
	}
	nothing := repository + ":nothing"
	if has, err := c.e.HasImage(ctx, nothing); err != nil || has {
		t.Errorf("has an absent image: %v, %v", has, err)
	}
	if err := c.e.RemoveImage(ctx, nothing); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("removing an absent image: %v", err)
	}
}

func (c *conformance) pullLoose(ctx context.Context, t *testing.T) {
	for _, ref := range []string{"busybox", "busybox:1", "127.0.0.1:1/kolla/x", "", "127.0.0.1:1/UPPER:1"} {
		if _, err := c.e.Pull(ctx, ref); !errors.Is(err, engine.ErrReference) {
			t.Errorf("%q: got %v, want ErrReference", ref, err)
		}
	}
}

func (c *conformance) pullNowhere(ctx context.Context, t *testing.T) {
	var refused *engine.RefusedError
	if _, err := c.e.Pull(ctx, "127.0.0.1:1/kolla/x:1"); !errors.As(err, &refused) {
		t.Errorf("got %v, want a RefusedError", err)
	}
}

func (c *conformance) removeImage(ctx context.Context, t *testing.T) {
	if err := c.e.RemoveImage(ctx, c.ref); err != nil {
		t.Error(err)
	}
	if list, err := c.e.Images(ctx, repository); err != nil || slices.Contains(list, c.ref) {
		t.Errorf("images %q, %v", list, err)
	}
}
