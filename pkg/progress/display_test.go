package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode       Mode
		isTerminal bool
		want       renderer
	}{
		{"", true, &tty{}}, {"", false, &plain{}},
		{Auto, true, &tty{}}, {Auto, false, &plain{}},
		{TTY, false, &tty{}}, {Plain, true, &plain{}},
		{JSON, true, &jsonLines{}}, {None, true, logOnly{}},
	} {
		got := Config{Mode: tt.mode, Terminal: tt.isTerminal}.renderer()
		if g, w := fmt.Sprintf("%T", got), fmt.Sprintf("%T", tt.want); g != w {
			t.Errorf("mode %q, terminal %v: got a %s, want a %s", tt.mode, tt.isTerminal, g, w)
		}
	}
	for _, name := range []string{"auto", "tty", "plain", "json", "none"} {
		if m, err := ParseMode(name); err != nil || string(m) != name {
			t.Errorf("ParseMode(%q) = %q, %v", name, m, err)
		}
	}
	if _, err := ParseMode("fancy"); err == nil {
		t.Error("an unknown mode was taken")
	}
}

func TestForFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg := ForFile(Auto, f, func(name string) string {
		return map[string]string{"NO_COLOR": "1", "TERM": "xterm"}[name]
	})
	if cfg.Terminal || !cfg.NoColor || cfg.Width() != 0 {
		t.Errorf("a file with NO_COLOR: got %+v, width %d", cfg, cfg.Width())
	}
	d := New(cfg)
	d.Event(Event{Kind: Warning, Message: "x"})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(f.Name()); !strings.HasSuffix(string(got), "warning: x\n") {
		t.Errorf("the file has %q", got)
	}
}

func TestDisplayFillsInTheTime(t *testing.T) {
	var out bytes.Buffer
	d := New(Config{Mode: JSON, Out: &out, Now: func() time.Time { return start }})
	d.Event(Event{Kind: Done})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `{"time":"2026-01-02T15:04:05Z","kind":"done"}`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.Event(Event{Kind: Done})
	if d.Close() != nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("an event after Close was written: %q", out.String())
	}
}

func TestLogGoesThroughTheDisplay(t *testing.T) {
	for mode, want := range map[Mode]string{
		Plain: "one\n  two\n",
		None:  "one\n  two\n",
		TTY:   "one\n  two\n",
		JSON: `{"time":"2026-01-02T15:04:05Z","kind":"log","message":"one"}` + "\n" +
			`{"time":"2026-01-02T15:04:05Z","kind":"log","message":"  two"}` + "\n",
	} {
		var out bytes.Buffer
		d := New(Config{Mode: mode, Out: &out, Now: func() time.Time { return start }})
		if n, err := io.WriteString(d, "one\n  two\n"); n != 10 || err != nil {
			t.Errorf("%s: Write = %d, %v", mode, n, err)
		}
		if err := d.Close(); err != nil || out.String() != want {
			t.Errorf("%s: got %q (%v), want %q", mode, out.String(), err, want)
		}
	}
}

func TestJSONKeepsTheLastBytesOfAStep(t *testing.T) {
	var out bytes.Buffer
	r := &jsonLines{}
	for i := range 1000 {
		r.event(&out, Event{Time: at(time.Duration(i) * time.Millisecond), Kind: Bytes, Step: "send", Sent: min(int64(i), 900), Total: 900})
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[4], `"sent":900`) {
		t.Errorf("got %d lines:\n%s", len(lines), out.String())
	}
}

// A blockedWriter takes nothing until it is told to. In a synctest bubble.
type blockedWriter struct {
	release chan struct{}
	mu      sync.Mutex
	got     bytes.Buffer
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	<-w.release
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got.Write(p)
}

func TestFault76StuckOutputHoldsUpNothing(t *testing.T) {
	for _, mode := range []Mode{TTY, Plain, JSON} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &blockedWriter{release: make(chan struct{})}
				d := New(Config{Mode: mode, Out: w})
				begin := time.Now()
				d.Event(Event{Kind: StepStarted, Step: "send", Index: 1, Of: 1})
				synctest.Wait() // the writing goroutine is stuck now
				for i := range 100_000 {
					d.Event(Event{Kind: HostState, Host: fmt.Sprint("host", i%100), State: fmt.Sprint("state", i), Reason: "a reason of some length"})
				}
				d.mu.Lock()
				pending, lost := d.pending.Len(), d.lost
				d.mu.Unlock()
				if mode != TTY && lost == 0 || pending > 2*maxPending {
					t.Errorf("%d bytes pending and %d events lost", pending, lost)
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("the events took %v", took)
				}
				if err := d.Close(); !errors.Is(err, ErrStuck) {
					t.Errorf("Close: %v, want ErrStuck", err)
				}
				close(w.release)
				<-d.stopped
			})
		})
	}
}

func TestFault76StuckOutputComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &blockedWriter{release: make(chan struct{})}
		d := New(Config{Mode: Plain, Out: w})
		d.Event(Event{Kind: StepStarted, Step: "first"})
		synctest.Wait()
		for range 100_000 {
			d.Event(Event{Kind: Warning, Message: "much"})
		}
		close(w.release)
		synctest.Wait()
		d.Event(Event{Kind: Warning, Message: "last"})
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		got := w.got.String()
		if !strings.Contains(got, "events not shown") || !strings.HasSuffix(got, "warning: last\n") {
			t.Errorf("the end is %q", got[len(got)-200:])
		}
	})
}

// A fullDisk takes room bytes and then nothing more until it is given room.
type fullDisk struct {
	room   int
	writes int
	got    bytes.Buffer
	err    error
}

func (w *fullDisk) Write(p []byte) (int, error) {
	w.writes++
	n := min(len(p), w.room)
	w.room -= n
	w.got.Write(p[:n])
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestFault76FullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fullDisk{room: 10, err: syscall.ENOSPC}
		d := New(Config{Mode: JSON, Out: w})
		for range 3 {
			d.Event(Event{Kind: Warning, Message: "lost"})
			synctest.Wait()
		}
		if w.writes != 3 {
			t.Errorf("%d writes for 3 events: it tries again, or not any more", w.writes)
		}
		w.room = 1 << 20
		d.Event(Event{Kind: Warning, Message: "there is room again"})
		if err := d.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Close: %v, want ENOSPC", err)
		}
		lines := strings.Split(strings.TrimSpace(w.got.String()), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[1], `{"time"`) || !strings.Contains(lines[1], "room again") {
			t.Errorf("a torn line spoils the next: %q", lines)
		}
	})
}

func TestFault76NobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fullDisk{err: syscall.EPIPE}
		d := New(Config{Mode: Plain, Out: w})
		for range 100 {
			d.Event(Event{Kind: Warning, Message: "x"})
			synctest.Wait()
		}
		if err := d.Close(); !errors.Is(err, syscall.EPIPE) || w.writes != 1 {
			t.Errorf("%d writes to a broken pipe, %v", w.writes, err)
		}
	})
}

// TestFault76BrokenPipeOnStderr runs this test binary with a standard error that
// nobody reads: a Go program dies of it unless it asks not to.
func TestFault76BrokenPipeOnStderr(t *testing.T) {
	const role = "DAISY_MCAST_TEST_BROKEN_PIPE"
	if os.Getenv(role) != "" {
		release := HoldBrokenPipe()
		d := New(ForFile(Plain, os.Stderr, os.Getenv))
		for range 3 {
			d.Event(Event{Kind: Warning, Message: "nobody reads this"})
		}
		err := d.Close()
		release()
		if !errors.Is(err, syscall.EPIPE) {
			os.Exit(3)
		}
		os.Exit(42)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFault76BrokenPipeOnStderr$")
	cmd.Env = append(os.Environ(), role+"=1")
	cmd.Stderr = w
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 42 {
		t.Errorf("the run ended with %v, want its own exit code 42", err)
	}
}

func TestDisplayGoesOnWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := New(Config{Mode: Plain, Out: &out})
		d.Event(Event{Kind: StepStarted, Step: "connect"})
		time.Sleep(11 * time.Second) // of the bubble's clock
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "connect: running"); n != 2 {
			t.Errorf("%d lines in 11 s, want 2:\n%s", n, out.String())
		}
	})
}
