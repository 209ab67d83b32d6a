package launch

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// TestFault70EngineHangs: it is waited for once, not for each call.
func TestFault70EngineHangs(t *testing.T) {
	t.Parallel() // it waits for the timeout
	b := newBench(t)
	fake := b.withEngine(engine.Docker)
	b.spec.Engine.Timeout = 3 * time.Second
	fake.Hang()
	begun := time.Now()
	if err := b.startFails(); !errors.Is(err, engine.ErrNotResponding) {
		t.Errorf("got %v, want ErrNotResponding", err)
	}
	if took := time.Since(begun); took >= 2*b.spec.Engine.Timeout {
		t.Errorf("it took %v", took)
	}
}

// TestFault70EngineDown: in mode auto a host whose engine has ended fails, and
// so does one whose registry was in an engine that is gone; the other modes do
// without.
func TestFault70EngineDown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fake := b.withEngine(engine.Docker)
	fake.Down()
	if err := b.startFails(); !errors.Is(err, engine.ErrDown) {
		t.Errorf("got %v, want ErrDown", err)
	}
	if status := b.check(); status.Mode != None {
		t.Errorf("checked: %+v", status)
	}
	b.spec.Mode = Process
	pid := b.start().PID
	if status := b.check(); status.PID != pid {
		t.Errorf("checked: %+v", status)
	}
	b.spec.Mode = Auto
	if status := b.check(); status.PID != pid {
		t.Errorf("checked in mode auto: %+v", status)
	}
}

// TestFault70EngineDownWithTheRegistryInIt: containers outlive their engine, but
// not as something that can be looked after.
func TestFault70EngineDownWithTheRegistryInIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fake := b.withEngine(engine.Docker)
	pid := b.start().PID
	fake.Down()
	for _, socket := range []string{"down", "gone"} {
		if socket == "gone" {
			if err := os.Remove(fake.Socket); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.startFails(); !errors.Is(err, engine.ErrNoEngine) {
			t.Errorf("%s: started: %v", socket, err)
		}
		if _, err := Check(t.Context(), b.spec); !errors.Is(err, engine.ErrNoEngine) {
			t.Errorf("%s: checked: %v", socket, err)
		}
		if err := Stop(t.Context(), b.spec, true); !errors.Is(err, engine.ErrNoEngine) {
			t.Errorf("%s: stopped: %v", socket, err)
		}
	}
	b.wantServing(pid)
	if err := fake.Up(); err != nil {
		t.Fatal(err)
	}
	if status := b.start(); !status.Kept {
		t.Errorf("with the engine again: %+v", status)
	}
}

// TestStopWithoutEngine: an engine that never had a registry of ours does not
// keep a process from being stopped.
func TestStopWithoutEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start()
	fake := b.withEngine(engine.Docker)
	fake.Down()
	if err := Stop(t.Context(), b.spec, true); err != nil {
		t.Error(err)
	}
	b.wantSilent()
	b.wantEmpty()
}

// TestEngineChanges: the container in the engine before is found by the note.
func TestEngineChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	docker := b.withEngine(engine.Docker)
	b.start()
	podman := b.withEngine(engine.Podman)
	status := b.start()
	if status.Engine != string(engine.Podman) || !status.Replaced {
		t.Errorf("changed: %+v", status)
	}
	if left := append(docker.Containers(), docker.Images()...); len(left) > 0 {
		t.Errorf("the first engine still has %q", left)
	}
	b.spec.Engine = engine.Config{Timeout: time.Second} // auto
	if status := b.start(); !status.Kept || status.Engine != string(engine.Podman) {
		t.Errorf("in mode auto: %+v, want what runs kept (R15)", status)
	}
	if got := podman.Containers(); len(got) != 1 {
		t.Errorf("containers %q", got)
	}
}

// TestEngineRefuses: each step of the engine may fail; the old one serves on.
func TestEngineRefuses(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"load", "create", "start", "stop"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			fake := b.withEngine(engine.Docker)
			b.start()
			b.spec.Program = b.otherProgram()
			fake.Refuse(operation, "no space left on device")
			var refused *engine.RefusedError
			if err := b.startFails(); !errors.As(err, &refused) {
				t.Errorf("got %v, want a RefusedError", err)
			}
			if operation == "start" { // it could not be brought back either
				fake.Refuse(operation, "")
				b.startFailsThenKeeps(fake.Containers())
				return
			}
			b.wantServing(0)
		})
	}
}

func (b *bench) startFailsThenKeeps(containers []string) {
	b.Helper()
	if !slices.Equal(containers, []string{b.spec.Name}) {
		b.Errorf("containers %q", containers)
	}
	b.wantServing(b.start().PID)
}
