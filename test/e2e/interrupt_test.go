package e2e

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestFault5Interrupted presses Ctrl-C while the hosts receive: no process
// stays on any host, no half set is served, and the next run completes it.
func TestFault5Interrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(*lab.Process) error{
		"CtrlC":   func(p *lab.Process) error { return p.SignalGroup(unix.SIGINT) },
		"SIGTERM": func(p *lab.Process) error { return p.Signal(unix.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 2})
			b, path, p := f.startUntil("h2", 2<<20)
			f.must(interrupt(p))
			r := f.finish(p)
			r.wantCode(exitInterrupted)
			f.wantNoStrays(f.targets...)
			f.wantWholeSetOrNone(b)

			f.wantDistributed(path, b)
		})
	}
}

// TestFault2ServerKilled kills the program where it cannot say goodbye. The next run
// sends no blob that was whole by then (I5).
func TestFault2ServerKilled(t *testing.T) {
	eachCarrier(t, fleetConfig{Targets: 2}, func(f *fleet, _ int) {
		b, path, p := f.startUntil("h2", 9<<20) // some layers, of 3 MiB each
		f.must(p.Signal(unix.SIGKILL))
		p.Wait()
		f.wantNoStrays(f.targets...)
		f.wantWholeSetOrNone(b)
		held := f.heldByAll()
		if f.protocol == "native" && held < 3<<20 { // jasmine writes nothing before 17 MB are whole
			f.t.Errorf("of 9 MiB that came all hosts hold %d bytes", held)
		}

		r := f.wantDistributed(path, b)
		if most := b.size() - held; r.report.PackBytes > most {
			f.t.Errorf("%d bytes were sent again, at most %d were missing somewhere", r.report.PackBytes, most)
		}
	})
}

// heldByAll is how many bytes of blobs every target has in its store.
func (f *fleet) heldByAll() (n int64) {
	f.t.Helper()
	hosts := map[string]int{}
	for _, h := range f.targets {
		files, err := h.Walk(storeDir + "/docker/registry/v2/blobs")
		f.must(err)
		for path, size := range files {
			if hosts[path]++; hosts[path] == len(f.targets) {
				n += size
			}
		}
	}
	return n
}

// TestFault73OldSetStaysUntilTheNewOneIsWhole interrupts an update: what was
// served before is served still.
func TestFault73OldSetStaysUntilTheNewOneIsWhole(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	old := smallBundle(t)
	f.distribute(f.put(old)).wantCode(exitLocal)
	path := f.put(bigBundle(t))
	f.must(f.deploy.LimitRate("60mbit"))
	p := f.start(path)
	f.awaitTransfer("h2", 2<<20)
	for _, h := range f.targets {
		f.wantServed(h, old, "store")
	}
	f.must(p.SignalGroup(unix.SIGINT))
	f.finish(p).wantCode(exitInterrupted)
	for _, h := range f.targets {
		f.wantServed(h, old, "store")
	}
	f.wantNoStrays(f.targets...)
}

// wantWholeSetOrNone checks that no host answers for a tag of the bundle, or
// else with all that belongs to it.
func (f *fleet) wantWholeSetOrNone(b bundle) {
	f.t.Helper()
	for _, h := range f.targets {
		if _, _, err := get(h, "/v2/_catalog"); err != nil {
			continue // nothing answers
		}
		for ref := range b.tags {
			repository, tag := split(ref)
			resp, _, err := get(h, "/v2/"+repository+"/manifests/"+tag)
			if err == nil && resp.StatusCode == 200 {
				f.wantServed(h, b, "")
				break
			}
		}
	}
}
