package launch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// modes runs a test once for every way to keep a registry.
func modes(t *testing.T, test func(*bench)) {
	t.Helper()
	for name, prepare := range map[string]func(*bench){
		"process": func(*bench) {},
		"service": func(b *bench) { b.withSystemd() },
		"docker":  func(b *bench) { b.withEngine(engine.Docker) },
		"podman":  func(b *bench) { b.withEngine(engine.Podman) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			prepare(b)
			test(b)
		})
	}
}

func TestStartIsIdempotent(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		first := b.start()
		if first.Kept || first.Replaced || !slices.Equal(first.Listening, b.spec.Listen) {
			b.Errorf("the first: %+v", first)
		}
		second := b.start()
		if !second.Kept || second.PID != first.PID {
			b.Errorf("the second: %+v, the first %+v", second, first)
		}
		if status := b.check(); status.PID != first.PID || status.Mode != first.Mode || !status.Running {
			b.Errorf("checked: %+v", status)
		}
	})
}

func TestStartReplacesOtherArguments(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		first := b.start()
		b.generation("2")
		second := b.start()
		if second.PID == first.PID || !second.Replaced || second.Kept {
			b.Errorf("replaced %+v by %+v", first, second)
		}
		b.wantServing(second.PID)
	})
}

func TestStartReplacesAnotherVersion(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		first := b.start()
		b.spec.Program = b.otherProgram()
		second := b.start()
		if second.Version == first.Version || second.PID == first.PID {
			b.Errorf("replaced %+v by %+v", first, second)
		}
	})
}

// TestStartSeesAnotherStore: a container would go on to serve a directory that
// was removed.
func TestStartSeesAnotherStore(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		first := b.start()
		if err := os.Rename(b.spec.StoreDir, b.spec.StoreDir+".old"); err != nil {
			b.Fatal(err)
		}
		if err := os.Mkdir(b.spec.StoreDir, 0o755); err != nil {
			b.Fatal(err)
		}
		if second := b.start(); second.PID == first.PID {
			b.Error("it still has the old directory")
		}
	})
}

// TestFault73OldComesBack: whatever is wrong with the new registry, the old one
// serves afterwards.
func TestFault73OldComesBack(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"dies", "500", "stranger"} {
		t.Run(fault, func(t *testing.T) {
			modes(t, func(b *bench) {
				b.generation("1")
				b.start()
				old := b.spec.Args
				b.spec.ReadyTimeout = 2 * time.Second // in which the old one comes back
				b.fault(fault)
				if err := b.startFails(); !errors.Is(err, ErrNotReady) {
					b.Errorf("got %v, want ErrNotReady", err)
				}
				b.spec.Args = old
				if status := b.start(); !status.Kept {
					b.Errorf("the old one does not run: %+v", status)
				}
			})
		})
	}
}

// TestFault72Exposed: a registry that listens on more than it was told to is
// not left running.
func TestFault72Exposed(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"exposed", "more"} {
		modes(t, func(b *bench) {
			b.fault(fault)
			var exposed *ExposedError
			if err := b.startFails(); !errors.As(err, &exposed) {
				b.Errorf("got %v, want an ExposedError", err)
			}
			b.wantSilent()
		})
	}
}

func TestFault72DiesAfterStart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fault("dies")
	begun := time.Now()
	if err := b.startFails(); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "the store is broken") {
		b.Errorf("got %v, want ErrNotReady with the program's own words", err)
	}
	if took := time.Since(begun); took > b.spec.ReadyTimeout {
		b.Errorf("waited %v for a process that had ended", took)
	}
}

// TestFault71ForeignListener: it is named, and nothing is touched.
func TestFault71ForeignListener(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		for _, ip := range []netip.Addr{b.spec.Listen[0].Addr(), netip.IPv4Unspecified()} {
			b.spec.Listen = []netip.AddrPort{freePort(b.T)}
			addr := netip.AddrPortFrom(ip, b.spec.Listen[0].Port()).String()
			l, err := net.Listen("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			var taken *PortError
			if err := b.startFails(); !errors.As(err, &taken) {
				b.Fatalf("got %v, want a PortError", err)
			}
			if taken.PID != os.Getpid() || taken.Command == "" || taken.Addr != b.spec.Listen[0] {
				b.Errorf("%+v; want pid %d", taken, os.Getpid())
			}
			l.Close()
		}
	})
}

// TestFault71OldRunsOn: a new address that somebody has does not end what serves
// on the old one.
func TestFault71OldRunsOn(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		old := b.start()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		was := b.spec.Listen
		b.spec.Listen = append(slices.Clone(was), netip.MustParseAddrPort(l.Addr().String()))
		var taken *PortError
		if err := b.startFails(); !errors.As(err, &taken) {
			b.Errorf("got %v, want a PortError", err)
		}
		b.wantServing(old.PID)
	})
}

// TestWildcardOfIPv6Only: it leaves 127.0.0.1 free, which /proc does not say.
func TestWildcardOfIPv6Only(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp6", netip.AddrPortFrom(netip.IPv6Unspecified(), b.spec.Listen[0].Port()).String())
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer l.Close()
	b.start()
}

func TestTwoStartsAtOnce(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		var all sync.WaitGroup
		var mu sync.Mutex
		pids := map[int]int{}
		for range 4 {
			all.Go(func() {
				status, err := Start(b.Context(), b.spec)
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				pids[status.PID]++
			})
		}
		all.Wait()
		if len(pids) != 1 {
			b.Errorf("processes %v, want one", pids)
		}
	})
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		b.start()
		if err := Stop(b.Context(), b.spec, false); err != nil {
			b.Fatal(err)
		}
		b.wantSilent()
		if status := b.check(); status.Running {
			b.Errorf("stopped: %+v", status)
		}
		// The unit has the same text: it must not be taken for the old one.
		again := b.start()
		if status := b.start(); !status.Kept || status.PID != again.PID || status.SurvivesReboot != again.SurvivesReboot {
			b.Errorf("%+v after %+v", status, again)
		}
	})
}

func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	modes(t, func(b *bench) {
		b.start()
		b.generation("2")
		b.start()
		if err := Stop(b.Context(), b.spec, true); err != nil {
			b.Fatal(err)
		}
		b.wantSilent()
		b.wantEmpty()
		if status := b.check(); status.Mode != None {
			b.Errorf("purged: %+v", status)
		}
		if err := Stop(b.Context(), b.spec, true); err != nil {
			b.Errorf("again: %v", err)
		}
		b.wantEmpty()
	})
}

// TestStopNeedsNoProgram: it may have been deleted.
func TestStopNeedsNoProgram(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start()
	b.spec.Program = "/nowhere"
	b.check()
	if err := Stop(t.Context(), b.spec, true); err != nil {
		t.Error(err)
	}
	b.wantSilent()
}

func TestStopEndsTheStubborn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fault("stubborn")
	status := b.start()
	rec := record{}
	rec.begin(status.PID)
	if err := rec.kill(50 * time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(status.PID, 0); err == nil && rec.running() {
		t.Error("it still runs")
	}
}

func TestStartRefusesASpec(t *testing.T) {
	t.Parallel()
	good := newBench(t).spec
	for name, change := range map[string]func(*Spec){
		"name":           func(s *Spec) { s.Name = "../x" },
		"name of a next": func(s *Spec) { s.Name = "x" + nextSuffix },
		"mode":           func(s *Spec) { s.Mode = "wish" },
		"base":           func(s *Spec) { s.BaseDir = "relative" },
		"identity":       func(s *Spec) { s.Identity = "a b" },
		"store":          func(s *Spec) { s.StoreDir += "/absent" },
		"program":        func(s *Spec) { s.Program = s.StoreDir },
		"argument":       func(s *Spec) { s.Args = []string{"a\nb"} },
		"nowhere":        func(s *Spec) { s.Listen = nil },
		"everywhere":     func(s *Spec) { s.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:4000")} },
		"plain off loopback": func(s *Spec) {
			s.Listen = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:4000")}
		},
		"privileged port": func(s *Spec) { s.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:443")} },
		"no certificates": func(s *Spec) { s.TLSListen = s.Listen },
	} {
		spec := good
		change(&spec)
		if _, err := Start(t.Context(), spec); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: got %v, want ErrSpec", name, err)
		}
	}
}
