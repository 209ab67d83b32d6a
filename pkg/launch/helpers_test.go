package launch

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine/enginetest"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// A bench is a machine with one registry on it.
type bench struct {
	*testing.T
	spec Spec
}

// newBench has neither an engine nor systemd; whatever a test starts ends with
// it.
func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(os.Getenv(programsEnv), "1")
	b := &bench{T: t, spec: Spec{
		Name: "test", Mode: Auto, Program: program,
		StoreDir: filepath.Join(dir, "store"), BaseDir: filepath.Join(dir, "base"),
		Listen: []netip.AddrPort{freePort(t)}, Identity: "our-identity",
		Engine:       engine.Config{Socket: filepath.Join(dir, "no-engine.sock"), Timeout: 2 * time.Second},
		Systemd:      Systemd{UnitDir: filepath.Join(dir, "units"), RunDir: filepath.Join(dir, "no-systemd"), Systemctl: filepath.Join(dir, "systemctl")},
		ReadyTimeout: 3 * time.Second,
	}}
	for _, d := range []string{b.spec.StoreDir, b.spec.Systemd.UnitDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		spec := b.spec
		spec.Mode = Auto
		if err := Stop(context.Background(), spec, true); err != nil {
			t.Logf("cleaning up: %v", err)
		}
	})
	return b
}

// withEngine gives the machine an engine whose containers' programs run here.
func (b *bench) withEngine(kind engine.Kind) *enginetest.Fake {
	b.Helper()
	program := b.spec.Program
	fake := enginetest.NewFake(b, enginetest.FakeConfig{Kind: kind, Start: func(c engine.Container) *exec.Cmd {
		args := slices.Clone(c.Args)
		for i, a := range args {
			for _, m := range c.Mounts {
				if a == m.Target {
					args[i] = m.Source
				}
			}
		}
		return exec.Command(program, args...)
	}})
	b.spec.Engine.Socket = fake.Socket
	return fake
}

// withSystemd gives the machine a systemd of which only systemctl is there.
func (b *bench) withSystemd() {
	b.Helper()
	b.spec.Systemd.RunDir = filepath.Dir(b.spec.Systemd.UnitDir)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(self, b.spec.Systemd.Systemctl); err != nil {
		b.Fatal(err)
	}
}

func freePort(t *testing.T) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port.Free(t))
}

// generation makes the spec one that has to replace what runs.
func (b *bench) generation(n string) { b.spec.Args = []string{"--generation", n} }

func (b *bench) fault(what string) { b.spec.Args = []string{"--fault", what} }

func (b *bench) start() Status {
	b.Helper()
	status, err := Start(b.Context(), b.spec)
	if err != nil {
		b.Fatal(err)
	}
	if !status.Running || status.PID == 0 || status.Identity != b.spec.Identity {
		b.Fatalf("started: %+v", status)
	}
	return status
}

func (b *bench) startFails() error {
	b.Helper()
	status, err := Start(b.Context(), b.spec)
	if err == nil {
		b.Fatalf("started: %+v", status)
	}
	return err
}

func (b *bench) check() Status {
	b.Helper()
	status, err := Check(b.Context(), b.spec)
	if err != nil {
		b.Fatal(err)
	}
	return status
}

// wantServing checks that a process answers as the registry.
func (b *bench) wantServing(pid int) {
	b.Helper()
	sock, err := Listener(b.spec.Listen[0])
	if err != nil || pid != 0 && sock.PID != pid {
		b.Fatalf("listening: %+v, %v; want process %d", sock, err, pid)
	}
	if got, err := identityOf(b.Context(), "http://"+b.spec.Listen[0].String(), nil); err != nil || got != b.spec.Identity {
		b.Fatalf("answers %q, %v", got, err)
	}
}

func (b *bench) wantSilent() {
	b.Helper()
	if sock, err := Listener(b.spec.Listen[0]); err == nil {
		b.Errorf("somebody listens: %+v", sock)
	}
}

// wantEmpty checks that nothing is left in our own directories.
func (b *bench) wantEmpty() {
	b.Helper()
	for _, dir := range []string{b.spec.BaseDir, b.spec.Systemd.UnitDir} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			b.Error(err)
		}
		for _, e := range entries {
			b.Errorf("%s is left in %s", e.Name(), dir)
		}
	}
}

// otherProgram is the program in another version.
func (b *bench) otherProgram() string { return filepath.Join(os.Getenv(programsEnv), "2") }
