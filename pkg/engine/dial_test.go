package engine_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
)

// short is a timeout that an engine which works keeps on a busy machine too.
const short = time.Second

func dial(t *testing.T, cfg engine.Config) error {
	t.Helper()
	e, err := engine.Dial(t.Context(), cfg)
	if err == nil {
		e.Close()
	}
	return err
}

func TestFault70Absent(t *testing.T) {
	err := dial(t, engine.Config{Socket: filepath.Join(t.TempDir(), "none.sock")})
	if !errors.Is(err, engine.ErrNoEngine) || errors.Is(err, engine.ErrDown) {
		t.Errorf("got %v, want ErrNoEngine without ErrDown", err)
	}
}

func TestFault70Down(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	fake.Down()
	if err := dial(t, engine.Config{Socket: fake.Socket}); !errors.Is(err, engine.ErrNoEngine) || !errors.Is(err, engine.ErrDown) {
		t.Errorf("got %v, want ErrNoEngine and ErrDown", err)
	}
}

func TestFault70Hangs(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	fake.Hang()
	if err := dial(t, engine.Config{Socket: fake.Socket, Timeout: short}); !errors.Is(err, engine.ErrNotResponding) {
		t.Errorf("got %v, want ErrNotResponding", err)
	}
}

// TestFault70HangsLater: an engine that hangs in the middle of a load is found
// by asking it beside.
func TestFault70HangsLater(t *testing.T) {
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	e, err := engine.Dial(t.Context(), engine.Config{Socket: fake.Socket, Timeout: short})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	fake.Hang()
	begun := time.Now()
	if _, err := e.Load(t.Context(), blocked{t.Context().Done()}); !errors.Is(err, engine.ErrNotResponding) {
		t.Errorf("loaded: %v", err)
	}
	if _, err := e.Inspect(t.Context(), "x"); !errors.Is(err, engine.ErrNotResponding) {
		t.Errorf("inspected: %v", err)
	}
	if took := time.Since(begun); took > 20*short {
		t.Errorf("it took %v", took)
	}
}

// blocked gives one byte after the other, slowly.
type blocked struct{ done <-chan struct{} }

func (b blocked) Read(p []byte) (int, error) {
	select {
	case <-b.done:
		return 0, context.Canceled
	case <-time.After(short / 20):
		return 1, nil
	}
}

// TestFault70NeverAccepts: somebody listens, nobody accepts.
func TestFault70NeverAccepts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := dial(t, engine.Config{Socket: path, Timeout: short}); !errors.Is(err, engine.ErrNotResponding) {
		t.Errorf("got %v, want ErrNotResponding", err)
	}
}

func TestFault70NoPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t) // root may use every socket
		return
	}
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	if err := os.Chmod(fake.Socket, 0); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, engine.Config{Socket: fake.Socket}); !errors.Is(err, engine.ErrPermission) {
		t.Errorf("got %v, want ErrPermission", err)
	}
}

// asNobody runs the calling test again as a user without rights. The copy of the
// test's program lies where that user can reach it.
func asNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	dir, err := os.MkdirTemp("", "engine-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, program, 0o755), os.Chmod(copied, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as uid %d: %v\n%s", nobody, err, out)
	}
}

func TestFault70TooOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.20")
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	if err := dial(t, engine.Config{Socket: path}); !errors.Is(err, engine.ErrTooOld) {
		t.Errorf("got %v, want ErrTooOld", err)
	}
}

// TestR15Kind: a socket of Docker's may be Podman's.
func TestR15Kind(t *testing.T) {
	podman := enginetest.NewFake(t, enginetest.FakeConfig{Kind: engine.Podman})
	if err := dial(t, engine.Config{Kind: engine.Docker, Socket: podman.Socket}); !errors.Is(err, engine.ErrNoEngine) {
		t.Errorf("got %v, want ErrNoEngine", err)
	}
	if err := dial(t, engine.Config{Kind: engine.Auto, Socket: "unix://" + podman.Socket}); err != nil {
		t.Error(err)
	}
	if err := dial(t, engine.Config{Kind: "rocket"}); err == nil {
		t.Error("an unknown kind is taken")
	}
}

// TestR6Environment: they are meant for another program, and so is
// DOCKER_HOST.
func TestR6Environment(t *testing.T) {
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	t.Setenv("DOCKER_API_VERSION", "1.12")
	fake := enginetest.NewFake(t, enginetest.FakeConfig{})
	e, err := engine.Dial(t.Context(), engine.Config{Socket: fake.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if info, err := e.Info(t.Context()); err != nil || info.APIVersion != "1.41" || info.Kind != engine.Docker {
		t.Errorf("%+v, %v", info, err)
	}
}
