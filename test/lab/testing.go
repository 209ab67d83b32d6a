package lab

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// openTimeout bounds the making of a lab, engines included.
const openTimeout = 3 * time.Minute

// The main goroutine stays on the main thread, which is the one whose namespaces
// /proc/<pid>/ns and /proc/self show: the first process of a host changes
// that thread's, and tests, which run on other goroutines, never do. Only an
// init function can bring this about.
func init() { runtime.LockOSThread() } //nolint:gochecknoinits // see above

// Main runs a test binary that uses labs; a TestMain passes its result to
// os.Exit. In a process that is to be a host's first one it does not return.
func Main(m *testing.M) int {
	Init()
	return m.Run()
}

// Init becomes a host's first process where this process was started as one,
// and otherwise does nothing. A program that opens labs calls it before
// anything else.
func Init() {
	if len(os.Args) > 0 && os.Args[0] == initName {
		hostInit()
	}
}

// Need skips the test, with the reason, where no lab can be made or one of the
// programs is not installed. With CI=true that is a failure.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "the lab needs root")
	}
	var missing []string
	for _, p := range append([]string{"ip", "tc", "nft", "ethtool", "ssh", "sshd", "ssh-keygen"}, programs...) {
		if _, err := findProgram(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		skip(t, "not installed: "+strings.Join(missing, ", ")+" (test/install.sh installs them)")
	}
	if err := exec.Command("unshare", "-n", "-m", "true").Run(); err != nil {
		skip(t, "this machine makes no namespaces: "+err.Error())
	}
}

func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true, and %s", reason)
	}
	t.Skip(reason)
}

// New opens a lab for a test, closes it when the test ends, and fails the test
// when something of it stays behind.
func New(t testing.TB, cfg Config) *Lab {
	t.Helper()
	Need(t, enginePrograms(cfg)...)
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	l, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	traces := l.Traces()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing the lab: %v", err)
		}
		if left := traces.settled(); len(left) > 0 {
			t.Errorf("the lab left behind:\n%s", strings.Join(left, "\n"))
		}
	})
	return l
}

// dyingTime is how long a killed process may take to go: the kernel tears its
// address space and its namespaces down after the signal, later on a busy machine.
const dyingTime = 5 * time.Second

// settled is Leftovers, once there are none or dyingTime has passed.
func (tr Traces) settled() []string {
	deadline := time.Now().Add(dyingTime)
	left := tr.Leftovers()
	for len(left) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		left = tr.Leftovers()
	}
	return left
}

func enginePrograms(cfg Config) []string {
	var all []string
	for _, h := range cfg.Hosts {
		if args := h.Engine.command(); args != nil {
			all = append(all, args[0])
		}
	}
	return all
}
