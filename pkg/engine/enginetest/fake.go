package enginetest

import (
	"embed"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// What real engines answered to Run: version, info, an image and a container.
//
//go:embed testdata/docker-20.10.json testdata/podman-4.3.json
var recorded embed.FS

// A FakeConfig says what a fake is. The zero value is a Docker.
type FakeConfig struct {
	Kind engine.Kind // Docker when empty
	// Containerd makes it one that keeps images in containerd's store, as Docker 29
	// does when it is new on a machine.
	Containerd bool
	// RootDir is where it says that its images are; the recorded one when empty.
	RootDir string
	// Start makes the command that stands for a container's program. It has the
	// network and the files of this machine. Nil: nothing runs, and a container's
	// pid is that of the test.
	Start func(engine.Container) *exec.Cmd
}

// A Fake is an engine on a unix socket. It is safe for concurrent use.
type Fake struct {
	// Socket is the path of its unix socket.
	Socket string

	cfg      FakeConfig
	recorded recording

	mu         sync.Mutex // guards what follows
	server     *http.Server
	listener   *net.UnixListener
	hung       chan struct{} // closed when the fake answers again; nil when it does
	refusals   map[string]string
	images     map[string]fakeImage // by reference
	containers []*fakeContainer
	pulled     []string // what was fetched, in order
	saved      []string // what was saved, in order
	made       int      // how many containers there were
}

type fakeImage struct {
	id       string
	manifest string   // of one that was pulled: its digest
	digests  []string // names by digest
	layers   []string // diff IDs
	archive  []byte   // of one that was loaded
}

type recording struct {
	Version, Info, Image, Container map[string]any
}

// NewFake starts a fake, which ends with the test.
func NewFake(t testing.TB, cfg FakeConfig) *Fake {
	t.Helper()
	file := "testdata/docker-20.10.json"
	if cfg.Kind == engine.Podman {
		file = "testdata/podman-4.3.json"
	}
	f := &Fake{cfg: cfg, refusals: map[string]string{}, images: map[string]fakeImage{}}
	raw, err := recorded.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &f.recorded)
	}
	if err != nil {
		t.Fatal(err)
	}
	// A socket's path has room for 107 bytes, less than some test's names.
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	f.Socket = filepath.Join(dir, "engine.sock")
	t.Cleanup(func() {
		f.Down()
		f.endAll()
		_ = os.RemoveAll(dir)
	})
	if err := f.Up(); err != nil {
		t.Fatal(err)
	}
	return f
}

// Up makes a fake that is down answer again.
func (f *Fake) Up() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.Remove(f.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: f.Socket, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false) // as when an engine is killed
	f.listener = l
	f.server = &http.Server{Handler: f.handler()}
	go func(s *http.Server) { _ = s.Serve(l) }(f.server)
	return nil
}

// Down ends the engine as a crash does: its socket's file stays, and what runs
// in containers runs on.
func (f *Fake) Down() {
	f.mu.Lock()
	server, listener := f.server, f.listener
	f.mu.Unlock()
	f.Wake()
	_ = listener.Close() // Serve may not have begun
	_ = server.Close()
}

// Hang makes the engine take requests and answer none, until Wake.
func (f *Fake) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung == nil {
		f.hung = make(chan struct{})
	}
}

// Wake ends Hang.
func (f *Fake) Wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung != nil {
		close(f.hung)
		f.hung = nil
	}
}

// Refuse makes an operation fail with status 500 and that message; an empty one
// ends it. The operation is the last element of the API's path: "create",
// "start", "stop", "rename", "load".
func (f *Fake) Refuse(operation, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals[operation] = message
}

// Containers are the names of what exists, sorted.
func (f *Fake) Containers() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, c := range f.containers {
		names = append(names, c.spec.Name)
	}
	slices.Sort(names)
	return names
}

// Images are the names of all images, sorted.
func (f *Fake) Images() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for ref := range f.images {
		names = append(names, ref)
	}
	slices.Sort(names)
	return names
}

// Pulled returns what was fetched from registries, in order.
func (f *Fake) Pulled() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.pulled)
}

// Saved returns the names under which images were saved, in order.
func (f *Fake) Saved() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.saved)
}

// Reboot ends what runs in containers, as when the machine goes down, and then
// starts what the engine brings back by itself: Podman nothing.
func (f *Fake) Reboot() {
	f.endAll()
	if f.cfg.Kind == engine.Podman {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.containers {
		if c.spec.Restart {
			c.start(f.cfg.Start)
		}
	}
}

func (f *Fake) endAll() {
	f.mu.Lock()
	all := slices.Clone(f.containers)
	f.mu.Unlock()
	for _, c := range all {
		c.stop()
	}
}
