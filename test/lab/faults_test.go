package lab_test

import (
	"errors"
	"io/fs"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// session opens an SSH session that says a line every 10 ms, and waits for the
// first.
func session(t *testing.T, l *lab.Lab) (*lab.Process, <-chan struct{}) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	deploy := l.Host("deploy")
	if err := deploy.Operator(ctx, "root", "root", l.Host("h1")); err != nil {
		t.Fatal(err)
	}
	lines := make(lineSignal, 1)
	p, err := deploy.Start(lab.Cmd{Stdout: lines,
		Args: []string{"ssh", "h1", "while :; do echo tick; sleep 0.01; done"}})
	if err != nil {
		t.Fatal(err)
	}
	if !ticks(lines, 10*time.Second) {
		t.Fatal("the session says nothing")
	}
	return p, lines
}

// lineSignal is a writer that notes that something was written.
type lineSignal chan struct{}

func (c lineSignal) Write(b []byte) (int, error) {
	select {
	case c <- struct{}{}:
	default:
	}
	return len(b), nil
}

// ticks reports whether something comes within d.
func ticks(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(d):
		return false
	}
}

// silent reports whether the session has gone quiet but has not ended.
func silent(p *lab.Process, c <-chan struct{}) bool {
	ticks(c, 100*time.Millisecond) // what was under way
	if ticks(c, 300*time.Millisecond) {
		return false
	}
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}

func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	p, lines := session(t, l)
	if err := l.Host("h1").Freeze(); err != nil {
		t.Fatal(err)
	}
	if !silent(p, lines) {
		t.Error("a frozen host talks, or its connections ended")
	}
	err := l.Host("deploy").Within(func() error {
		conn, err := net.DialTimeout("tcp", l.Host("h1").Addr().String()+":22", 5*time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		t.Errorf("a frozen host's kernel does not take connections: %v", err)
	}
	if err := l.Host("h1").Thaw(); err != nil {
		t.Fatal(err)
	}
	if !ticks(lines, 5*time.Second) {
		t.Error("a thawed host stays silent")
	}
}

func TestAFrozenHostCanBeClosed(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1")})
	if err := l.Host("h1").Freeze(); err != nil {
		t.Fatal(err)
	}
}

func TestPowerOffSaysNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	p, lines := session(t, l)
	if err := l.Host("h1").PowerOff(); err != nil {
		t.Fatal(err)
	}
	if !silent(p, lines) {
		t.Error("a host without power talks, or its connections ended")
	}
	if n := len(l.Host("h1").Processes()); n > 0 {
		t.Errorf("%d processes run on a host without power", n)
	}
}

func TestUnplugAndPlug(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	p, lines := session(t, l)
	if err := l.Host("h1").Unplug(); err != nil {
		t.Fatal(err)
	}
	if !silent(p, lines) {
		t.Error("an unplugged host talks, or its connections ended")
	}
	if err := l.Host("h1").Plug(); err != nil {
		t.Fatal(err)
	}
	if !ticks(lines, 20*time.Second) {
		t.Error("it stays silent when plugged in again")
	}
}

func TestRebootKeepsDisksOnly(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	h := l.Host("h1")
	ctx := within(t, 60*time.Second)
	p, _ := session(t, l)
	for _, path := range []string{"/var/lib/kept", "/run/gone", "/tmp/gone"} {
		if err := h.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Start(lab.Cmd{Args: []string{"sleep", "4321"}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if found := h.FindProcesses("sleep"); len(found) > 0 {
		t.Errorf("survived the reboot: %v", found)
	}
	if !h.Exists("/var/lib/kept") || h.Exists("/run/gone") || h.Exists("/tmp/gone") {
		t.Error("the reboot kept or lost the wrong files")
	}
	if r := l.Host("deploy").Run(ctx, "ssh", "h1", "hostname"); r.Stdout != "h1\n" {
		t.Errorf("after the reboot: %v", r)
	}
}

func TestKillPIDHitsTheHostsOwn(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1", "h2")})
	ctx := within(t, 10*time.Second)
	var procs []*lab.Process
	for _, h := range l.Hosts() {
		p, err := h.Start(lab.Cmd{Args: []string{"sleep", "4321"}})
		if err != nil {
			t.Fatal(err)
		}
		procs = append(procs, p)
	}
	info, err := l.Host("h1").AwaitProcess(ctx, "sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Host("h1").KillPID(info.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := procs[0].WaitContext(ctx); r.Code != 128+9 {
		t.Errorf("the killed one: %v", r)
	}
	if len(l.Host("h2").FindProcesses("sleep")) != 1 {
		t.Error("the other host's process is gone")
	}
	if err := l.Host("h1").KillPID(99999, unix.SIGKILL); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("killing what is not there: %v", err)
	}
}

func TestFault18SmallDiskFills(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: []lab.HostConfig{{Name: "h1", DataDiskSize: "8m"}}})
	h := l.Host("h1")
	if err := h.FillDisk("/var/lib/daisy-mcast", 64<<10); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteFile("/var/lib/daisy-mcast/small", make([]byte, 32<<10), 0o644); err != nil {
		t.Errorf("writing into the spare: %v", err)
	}
	if err := h.WriteFile("/var/lib/daisy-mcast/big", make([]byte, 128<<10), 0o644); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("writing more: got %v, want %v", err, unix.ENOSPC)
	}
	if err := h.WriteFile("/var/lib/elsewhere", make([]byte, 1<<20), 0o644); err != nil {
		t.Errorf("writing elsewhere: %v", err)
	}
}

func TestFault71OccupiedPort(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1", "h2")})
	ctx := within(t, 20*time.Second)
	if _, err := l.Host("h1").Occupy(ctx, "127.0.0.1:4000"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"h1": true, "h2": false} {
		err := l.Host(name).Within(func() error {
			ln, err := net.Listen("tcp", "127.0.0.1:4000")
			if err == nil {
				ln.Close()
			}
			return err
		})
		if got := errors.Is(err, unix.EADDRINUSE); got != want {
			t.Errorf("port 4000 of %s: %v", name, err)
		}
	}
}
