package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// TestFault73InterruptedStart: a start was killed after it had stopped the old
// one. What it left - either, or both - does not keep the next start from
// a registry that runs under its name, alone.
func TestFault73InterruptedStart(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(b *bench, old, next instance) error{
		"before the old one was stopped": func(*bench, instance, instance) error { return nil },
		"before the old one was stopped, the new one waits": func(b *bench, _, next instance) error {
			return next.start(b.Context())
		},
		"before the new one was started": func(b *bench, old, _ instance) error {
			return old.stop(b.Context())
		},
		"before the old one was removed": func(b *bench, old, next instance) error {
			return errors.Join(old.stop(b.Context()), next.start(b.Context()))
		},
		"before the new one was renamed": func(b *bench, old, next instance) error {
			return errors.Join(old.stop(b.Context()), next.start(b.Context()), old.remove(b.Context()))
		},
	} {
		for _, again := range []string{"2", "3"} { // the interrupted start's, or yet another
			t.Run(name+"/"+again, func(t *testing.T) {
				t.Parallel()
				modes(t, func(b *bench) {
					b.generation("1")
					b.start()
					b.generation("2")
					_, old, next := b.prepare()
					if err := interrupt(b, old, next); err != nil {
						b.Fatal(err)
					}
					b.generation(again)
					status := b.start()
					b.wantServing(status.PID)
					b.wantAlone()
				})
			})
		}
	}
}

// wantAlone checks that the registry has its settled name, and that there is no other.
func (b *bench) wantAlone() {
	b.Helper()
	house, err := b.spec.withDefaults().survey(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer house.close()
	if len(house.found) != 1 {
		b.Errorf("%d registries are there", len(house.found))
	}
	if house.container != nil {
		if _, err := house.container.engine.Inspect(b.Context(), b.spec.Name); err != nil && len(house.found) == 1 {
			if _, isContainer := house.found[0].instance.(*containerInstance); isContainer {
				b.Errorf("not under its name: %v", err)
			}
		}
	}
	if _, err := os.Stat(house.process.nextFile()); err == nil {
		b.Error("the pid file of a next one is left")
	}
}

// TestFault73InterruptedThenFails: the successor of an interrupted start fails
// too; the one that the interrupted start had stopped serves again.
func TestFault73InterruptedThenFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fake := b.withEngine(engine.Docker)
	b.generation("1")
	b.start()
	b.generation("2")
	_, old, _ := b.prepare()
	if err := old.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.fault("dies")
	b.startFails()
	b.generation("1")
	if status := b.start(); !status.Kept {
		t.Errorf("the old one does not run: %+v", status)
	}
	if got := fake.Containers(); !slices.Equal(got, []string{"test"}) {
		t.Errorf("containers %q", got)
	}
}

// TestFault73StarterKilledBetweenOldAndNew stops at every step of a replacement and
// does nothing more, as a starter does that was killed: without another start one
// of the two serves.
func TestFault73StarterKilledBetweenOldAndNew(t *testing.T) {
	t.Parallel()
	modes(t, killStarterBetween)
}

func killStarterBetween(b *bench) {
	b.generation("1")
	was := b.start()
	b.generation("2")
	_, old, next := b.prepare()
	b.wantServing(was.PID)
	h := &house{spec: b.spec.withDefaults(), found: []resident{{instance: killedBefore{old}}}}
	if err := h.takeOver(b.Context(), next); !errors.Is(err, errKilled) {
		b.Fatal(err) // after the new one was started and before the old one is stopped
	}
	if was.Mode != Service { // systemd has replaced it already
		b.wantServing(was.PID)
	}
	if err := old.stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := Listener(b.spec.Listen[0]); err == nil || time.Now().After(end) {
			break
		}
	}
	seen, err := next.look(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.wantServing(seen.pid)
	// The next start finds it, and makes it the only one.
	if status := b.start(); status.PID != seen.pid || !status.Kept {
		b.Errorf("started %+v, want process %d kept", status, seen.pid)
	}
}

var errKilled = errors.New("killed here")

// killedBefore is an instance whose starter dies when it is about to stop it.
type killedBefore struct{ instance }

func (killedBefore) stop(context.Context) error { return errKilled }

// prepare does the first half of a replacement.
func (b *bench) prepare() (k keeper, old, next instance) {
	b.Helper()
	spec := b.spec.withDefaults()
	version, err := fileVersion(spec.Program)
	if err != nil {
		b.Fatal(err)
	}
	h, err := spec.survey(b.Context(), version)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(h.close)
	k = h.found[0].keeper
	if next, err = k.prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	return k, h.found[0].instance, next
}

func TestForeignContainer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fake := b.withEngine(engine.Docker)
	e, err := engine.Dial(t.Context(), b.spec.Engine)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b.start()
	if err := Stop(t.Context(), b.spec, false); err != nil {
		t.Fatal(err)
	}
	image := fake.Images()[0]
	if err := Stop(t.Context(), b.spec, true); err != nil {
		t.Fatal(err)
	}
	program := strings.NewReader("program")
	if _, err := e.Load(t.Context(), engine.ProgramImage(program, program.Size(), "amd64", image)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(t.Context(), engine.Container{Name: b.spec.Name, Image: image}); err != nil {
		t.Fatal(err)
	}
	if err := b.startFails(); !errors.Is(err, ErrForeign) {
		t.Errorf("started: %v, want ErrForeign", err)
	}
	if err := Stop(t.Context(), b.spec, true); !errors.Is(err, ErrForeign) {
		t.Errorf("stopped: %v, want ErrForeign", err)
	}
	if got := fake.Containers(); len(got) != 1 {
		t.Errorf("containers %q", got)
	}
}

// TestR15Reboot: Docker brings its container back; for Podman's there is a unit,
// and the unit does not bring back one that was stopped or replaced.
func TestR15Reboot(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Docker, engine.Podman} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t)
			fake := b.withEngine(kind)
			b.fakePodman()
			b.withSystemd()
			first := b.start()
			if first.Mode != Container || !first.SurvivesReboot {
				t.Errorf("started: %+v", first)
			}
			_, u, err := b.spec.withDefaults().readUnit()
			if has := err == nil && u.container == b.spec.Name; has != (kind == engine.Podman) {
				t.Errorf("unit %+v, %v", u, err)
			}
			fake.Reboot()
			if kind == engine.Docker {
				if status := b.start(); !status.Kept || status.PID == first.PID {
					t.Errorf("after the reboot: %+v", status)
				}
			}
			b.generation("2")
			b.wantServing(b.start().PID)
			if err := Stop(t.Context(), b.spec, true); err != nil {
				t.Error(err)
			}
			b.wantEmpty()
		})
	}
}

// fakePodman puts a program called podman into PATH.
func (b *bench) fakePodman() {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "podman"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		b.Fatal(err)
	}
	b.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestModeChanges goes from every mode to every other one, and leaves nothing of
// the former.
func TestModeChanges(t *testing.T) {
	t.Parallel()
	all := []Mode{Process, Container, Service}
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				fake := b.withEngine(engine.Podman)
				b.withSystemd()
				b.spec.Mode = from
				first := b.start()
				b.spec.Mode = to
				second := b.start()
				if first.Mode != from || second.Mode != to || !second.Replaced {
					t.Errorf("first %+v, then %+v", first, second)
				}
				b.spec.Mode = Auto
				if status := b.start(); !status.Kept || status.Mode != to {
					t.Errorf("in mode auto: %+v, want %s kept (R15)", status, to)
				}
				if left := append(fake.Containers(), fake.Images()...); to != Container && len(left) > 0 {
					t.Errorf("the engine still has %q", left)
				}
				if err := Stop(t.Context(), b.spec, true); err != nil {
					t.Error(err)
				}
				b.wantEmpty()
			})
		}
	}
}

// TestFault73ModeChangeFails: the container comes back when the process fails.
func TestFault73ModeChangeFails(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]Mode{{Container, Process}, {Process, Container}, {Service, Container}, {Container, Service}} {
		t.Run(string(pair[0])+" to "+string(pair[1]), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.withEngine(engine.Docker)
			b.withSystemd()
			b.spec.Mode = pair[0]
			b.start()
			b.spec.Mode, b.spec.ReadyTimeout = pair[1], 2*time.Second // in which the old one comes back
			b.fault("500")
			b.startFails()
			b.spec.Mode, b.spec.Args = Auto, nil
			if status := b.start(); status.Mode != pair[0] {
				t.Errorf("after the failure: %+v", status)
			}
		})
	}
}

// TestContainerThatEndsAgainAndAgain is not waited for to the end.
func TestContainerThatEndsAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.withEngine(engine.Docker)
	b.spec.ReadyTimeout = time.Minute
	b.fault("dies")
	if err := b.startFails(); !strings.Contains(err.Error(), "status 3") {
		t.Errorf("got %v", err)
	}
}

// TestContainerSeesOnlyTheCertificate: not the key of the authority beside it.
// TestR15DockerIsOffAtBoot: a daemon that nobody starts at boot brings nothing back,
// and the operator is told.
func TestR15DockerIsOffAtBoot(t *testing.T) {
	t.Parallel()
	for _, disabled := range []bool{false, true} {
		b := newBench(t)
		b.withSystemd()
		b.withEngine(engine.Docker)
		if disabled {
			mark := filepath.Join(filepath.Dir(b.spec.Systemd.Systemctl), "docker.service.disabled")
			if err := os.WriteFile(mark, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		status := b.start()
		if status.Mode != Container || status.SurvivesReboot == disabled || strings.Contains(status.Note, "systemctl enable docker") != disabled {
			t.Errorf("disabled %v: %+v", disabled, status)
		}
	}
}

// Only a registry that fills its store can write to it.
func TestStoreIsWritableOnlyToFill(t *testing.T) {
	t.Parallel()
	for _, fill := range []bool{false, true} {
		b := newBench(t)
		b.spec.Fill = fill
		k := &containerKeeper{spec: b.spec.withDefaults()}
		if m := k.mounts(); len(m) != 1 || m[0].Writable != fill || slices.Contains(k.args(), "--fill") != fill {
			t.Errorf("fill %v: %+v, %q", fill, m, k.args())
		}
	}
}

func TestContainerSeesOnlyTheCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.withCertificate()
	k := &containerKeeper{spec: b.spec.withDefaults()}
	for _, m := range k.mounts() {
		if m.Source == b.spec.CertDir {
			t.Errorf("it sees all of %s", m.Source)
		}
	}
}
