package launch

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
)

// TestProcessIsDetached: it has a session of its own, so that the end of the
// one who started it, or of his terminal, does not reach it.
func TestProcessIsDetached(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pid := b.start().PID
	raw, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	if f := strings.Fields(rest); len(f) < 4 || f[3] != filepath.Base(filepath.Dir(procFile(pid, "stat"))) {
		t.Errorf("its session is not its own: %q", raw)
	}
	if cwd, err := os.Readlink(procFile(pid, "cwd")); err != nil || cwd != "/" {
		t.Errorf("it holds %q, %v", cwd, err)
	}
	env, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil || strings.Contains(string(env), programsEnv) {
		t.Errorf("it has its starter's environment: %q, %v", env, err)
	}
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// TestStarterKilledBeforeThePidFile: the process that nobody wrote down is found
// by its log, kept from the port's being called a stranger's, and stopped.
func TestStarterKilledBeforeThePidFile(t *testing.T) {
	t.Parallel()
	for _, left := range []string{"none", "of the one before"} {
		b := newBench(t)
		b.generation("1")
		b.start()
		pidFile := filepath.Join(b.spec.BaseDir, "run", "test.json")
		before, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		b.generation("2")
		orphan := b.start()
		if left == "none" {
			err = os.Remove(pidFile)
		} else {
			err = os.WriteFile(pidFile, before, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if status := b.check(); status.PID != orphan.PID {
			t.Errorf("%s: checked %+v, want process %d", left, status, orphan.PID)
		}
		b.generation("3")
		status := b.start()
		if !status.Replaced || status.PID == orphan.PID {
			t.Errorf("%s: started %+v", left, status)
		}
		if err := Stop(t.Context(), b.spec, true); err != nil {
			t.Error(err)
		}
		b.wantSilent()
	}
}

// TestOldProgramOverwritten: the old process comes back by the program that it
// ran, not by what its path has become.
func TestOldProgramOverwritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	link := filepath.Join(t.TempDir(), "program")
	if err := os.Symlink(b.spec.Program, link); err != nil {
		t.Fatal(err)
	}
	b.spec.Program = link
	b.start()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/false", link); err != nil {
		t.Fatal(err)
	}
	b.startFails()
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := Listener(b.spec.Listen[0]); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the old registry did not come back")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestRecycledPid: a stranger that has come to the pid is not signalled.
func TestRecycledPid(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*record){
		"another start": func(r *record) { r.Start++ },
		"another boot":  func(r *record) { r.Boot = "before" },
	} {
		var r record
		r.begin(os.Getpid())
		if !r.running() {
			t.Fatal("this process does not run")
		}
		change(&r)
		if r.running() {
			t.Errorf("%s: taken for the same process", name)
		}
		if err := r.kill(time.Second); err != nil { // or this test ends here
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecycledPidIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := record{Program: b.spec.Program, Version: "1"}
	r.begin(os.Getpid())
	r.Start++
	if err := r.write(filepath.Join(b.spec.BaseDir, "run", "test.json")); err != nil {
		t.Fatal(err)
	}
	if status := b.check(); status.Running {
		t.Errorf("checked: %+v", status)
	}
	if status := b.start(); status.Replaced {
		t.Errorf("started: %+v", status)
	}
}

// TestZombieDoesNotRun: a process that ended and was not waited for.
func TestZombieDoesNotRun(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sh", "-c", "read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	var r record
	r.begin(cmd.Process.Pid)
	in.Close()
	if !r.gone(5 * time.Second) {
		t.Fatal("a zombie counts as running")
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
		t.Errorf("it is no zombie: %v", err)
	}
}

func TestPidFileIsForeign(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "4711", `{"pid":1}`, `{"pid":-5}`, strings.Repeat("x", maxRecord+1)} {
		b := newBench(t)
		path := filepath.Join(b.spec.BaseDir, "run", "test.json")
		if err := atomicfile.WriteNew(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.startFails(); !errors.Is(err, ErrForeign) {
			t.Errorf("%.20q: got %v, want ErrForeign", content, err)
		}
		os.Remove(path)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n"
	for stat, want := range map[string]bool{
		"1 (sh) S" + rest:                     true,
		"1 (a) Z 1 (x) R" + rest:              true,
		"1 (sh) Z" + rest:                     false,
		"1 (sh) X" + rest:                     false,
		"1 (sh) S 1 2":                        false,
		"":                                    false,
		strings.Replace(rest, "4711", "x", 1): false,
	} {
		ticks, ok := parseStat(stat)
		if ok != want || ok && ticks != 4711 {
			t.Errorf("%q: %d, %v", stat, ticks, ok)
		}
	}
}

func TestLogBeginsAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log", "x.log")
	for _, c := range []struct{ before, want int }{{10, 10}, {maxLog + 1, 0}} {
		if err := atomicfile.WriteNew(path, make([]byte, c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		f.Close()
		if err != nil || info.Size() != int64(c.want) {
			t.Errorf("after %d bytes: %v, %v", c.before, info.Size(), err)
		}
	}
	if got := tail(path); got != "its log is empty" {
		t.Errorf("tail: %q", got)
	}
	if err := os.WriteFile(path, slices.Repeat([]byte("x"), 3*logTail), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tail(path); len(got) != logTail {
		t.Errorf("tail of %d bytes", len(got))
	}
}
