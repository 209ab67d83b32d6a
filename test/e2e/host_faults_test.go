package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// diskForProgram is a disk that takes the program and the set's list, but not
// the big bundle.
func diskForProgram(t *testing.T) string {
	t.Helper()
	return diskWithRoom(t, 8)
}

// diskWithRoom is a disk that has so many MiB when the program is on it.
func diskWithRoom(t *testing.T, mib int64) string {
	t.Helper()
	path, err := workshop.program()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dm", info.Size()>>20+1+mib)
}

// TestFault18DiskTooSmall: seen before anything is sent; the host leans on the
// central registry, and says how much it lacks.
func TestFault18DiskTooSmall(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": diskForProgram(t)}})
	b := bigBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitCentral)
	r.want("h2", "central", "disk")
	f.wantLocal(r, b, f.Host("h1"))
	f.wantServed(f.Host("h2"), b, "")
	f.wantNoStrays(f.targets...)
}

// TestFault19DiskFillsMeanwhile: never exit 0, and nothing half is left.
func TestFault19DiskFillsMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": diskWithRoom(t, 128)}})
	b, path, p := f.startUntil("h2", 2<<20)
	f.must(f.Host("h2").FillDisk(baseDir, 1<<20))
	r := f.finish(p)
	r.wantCode(exitCentral)
	r.want("h2", "central", "disk", "space")
	f.wantLocal(r, b, f.Host("h1"))
	f.wantServed(f.Host("h2"), b, "")
	f.wantNoStrays(f.targets...)

	// I5: with room again, the next run completes it, and sends less.
	f.must(f.Host("h2").Shell(t.Context(), "rm "+baseDir+"/filler"))
	f.wantDistributed(path, b)
}

// TestFault21ReadOnlyDisk fails for that host alone.
func TestFault21ReadOnlyDisk(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": "64m"}})
	f.must(f.Host("h2").RemountReadOnly(baseDir))
	b := smallBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitFailed)
	r.want("h2", "failed", "read-only", "disk", "noexec")
	f.wantLocal(r, b, f.Host("h1"))
}

// startUntil starts the program with a bundle that takes some seconds at 60 Mb/s, and
// returns when so many bytes have come to a host.
func (f *fleet) startUntil(name string, bytes int64) (b bundle, path string, p *lab.Process) {
	f.t.Helper()
	b = bigBundle(f.t)
	path = f.put(b)
	f.must(f.deploy.LimitRate("60mbit"))
	p = f.start(path)
	f.awaitTransfer(name, bytes)
	return b, path, p
}

// wantDistributed runs the program: in the end every target is local.
func (f *fleet) wantDistributed(path string, b bundle) run {
	f.t.Helper()
	r := f.distribute(path)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	return r
}

// awaitTransfer waits until so many bytes of the payload have come to a host.
// The program itself comes first, over SSH.
func (f *fleet) awaitTransfer(name string, bytes int64) {
	f.t.Helper()
	ctx := within(f.t, runTimeout)
	h := f.Host(name)
	before, err := h.MulticastBytes()
	f.must(err)
	_, err = h.AwaitProcess(ctx, "daisy-mcast", "agent")
	f.must(err)
	f.must(h.AwaitMulticast(ctx, before+bytes))
}

func (f *fleet) killAgents(h *lab.Host) {
	f.t.Helper()
	for _, p := range h.FindProcesses("daisy-mcast", "agent") {
		f.must(h.KillPID(p.PID, unix.SIGKILL))
	}
}

// TestFault70EngineDown: nothing of ours can run there, so the host has failed.
func TestFault70EngineDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		break_ func(f *fleet, h *lab.Host) error
		args   []string
	}{
		"NotThere": {func(f *fleet, h *lab.Host) error { h.StopEngine(); return nil }, []string{"--registry-mode", "container"}},
		"Hangs":    {func(f *fleet, h *lab.Host) error { return h.HangEngine() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 2, Engines: map[string]lab.Engine{
				"h1": lab.DockerKollaLike, "h2": lab.DockerKollaLike, "deploy": lab.DockerKollaLike}})
			f.must(c.break_(f, f.Host("h2")))
			b := smallBundle(t)
			r := f.distribute(append(c.args, f.put(b))...)
			r.wantCode(exitFailed)
			r.want("h2", "failed", "engine")
			f.wantLocal(r, b, f.Host("h1"))
		})
	}
}

// TestFault71PortTaken: the other program's pid is named (R8).
func TestFault71PortTaken(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"OnLoopback": "127.0.0.1:4000", "Everywhere": "0.0.0.0:4000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 2})
			_, err := f.Host("h2").Occupy(within(t, 20*time.Second), address)
			f.must(err)
			pid := f.Host("h2").FindProcesses("http.server")[0].PID
			b := smallBundle(t)
			r := f.distribute(f.put(b))
			r.wantCode(exitFailed)
			r.want("h2", "failed", "port")
			if why := r.host("h2").why(); !strings.Contains(why, fmt.Sprint(pid)) || !strings.Contains(why, "python3") {
				t.Errorf("the reason does not name process %d, python3: %q", pid, why)
			}
			f.wantLocal(r, b, f.Host("h1"))
		})
	}
}

// TestFault7AgentKilledMeanwhile: the host's registry is there already, and the
// list too; it leans on the central one, or was served after all.
func TestFault7AgentKilledMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	b, path, p := f.startUntil("h2", 2<<20)
	f.killAgents(f.Host("h2"))
	r := f.finish(p)
	f.wantLocal(r, b, f.others("h2")...)
	if got := r.host("h2").Outcome; got != "central" && got != "local" {
		t.Errorf("h2 is %q, want central, or local: %v\n%s", got, r.Result, r.raw)
	}
	f.wantServed(f.Host("h2"), b, "")
	f.wantNoStrays(f.targets...)

	// I5: the next run makes it good.
	f.wantDistributed(path, b)
}

// A silence is a way of a host to answer no more.
func TestFault11And12SilentHost(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]func(*lab.Host) error{
		"Frozen":    (*lab.Host).Freeze,
		"PowerOff":  (*lab.Host).PowerOff,
		"Unplugged": (*lab.Host).Unplug,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 3})
			b, _, p := f.startUntil("h2", 2<<20)
			f.must(silence(f.Host("h2")))
			r := f.finish(p)
			r.wantCode(exitFailed)
			r.want("h2", "failed")
			f.wantLocal(r, b, f.others("h2")...)
			f.wantNoStrays(f.others("h2")...)
		})
	}
}

// TestFault10FrozenForAWhile: it catches up, or is told to lean; the bytes are
// right in either case.
func TestFault10FrozenForAWhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b, _, p := f.startUntil("h2", 2<<20)
	f.must(f.Host("h2").Freeze())
	time.Sleep(3 * time.Second) // the fault itself: a host that does not answer for so long
	f.must(f.Host("h2").Thaw())
	r := f.finish(p)
	f.wantLocal(r, b, f.Host("h1"))
	f.wantServed(f.Host("h2"), b, "")
	f.wantNoStrays(f.targets...)
}

// TestFault75EverythingFails ends by itself, with a table of reasons.
func TestFault75EverythingFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	for _, h := range f.targets {
		h.StopSSH()
	}
	r := f.distribute(f.put(smallBundle(t)))
	if r.Code != exitFailed && r.Code != exitUsage {
		t.Errorf("want exit code %d or %d: %v", exitFailed, exitUsage, r.Result)
	}
	for _, h := range f.targets {
		if !strings.Contains(r.Stdout+r.Stderr, h.Name()) {
			t.Errorf("nothing is said of %s: %v", h.Name(), r.Result)
		}
	}
}
