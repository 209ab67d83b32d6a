// Package remotetest checks that a remote.Host does what its interface says.
// Each implementation's tests call [Run]. It also has a [Program] to bootstrap.
//
// The hosts under test must be this machine: the tests watch from outside what
// happens on them.
package remotetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// patience is for what must happen and does at once: a test that waits as long
// has failed.
const patience = 20 * time.Second

// Run checks the hosts that newHost returns.
func Run(t *testing.T, newHost func(t *testing.T) remote.Host) {
	tests := []struct {
		name string
		run  func(*testing.T, remote.Host)
	}{
		{"Streams", testStreams},
		{"Status", testStatus},
		{"StderrIsClean", testStderr},
		{"KillEndsTheProgramThere", testKill},
		{"ShutdownLetsTheProgramEnd", testShutdown},
		{"ShutdownKillsTheStubborn", testStubborn},
		{"CloseKillsAll", testClose},
		{"CancelledStart", testCancelled},
		{"ManyAtOnce", testMany},
		{"Bootstrap", testBootstrap},
		{"BootstrapTwice", testBootstrapTwice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			t.Cleanup(func() { _ = h.Close() })
			tt.run(t, h)
		})
	}
}

func start(t *testing.T, h remote.Host, command string) *remote.Session {
	t.Helper()
	s, err := h.Start(t.Context(), command)
	if err != nil {
		t.Fatalf("starting %q: %v", command, err)
	}
	t.Cleanup(s.Kill)
	return s
}

func testStreams(t *testing.T, h remote.Host) {
	s := start(t, h, "cat")
	want := bytes.Repeat([]byte("\x00\xff\r\n~.\x03 every byte passes"), 50_000)
	go func() {
		_, _ = s.Stdin.Write(want)
		_ = s.Stdin.Close()
	}()
	got, err := io.ReadAll(s.Stdout)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes and %v, want the %d that were sent", len(got), err, len(want))
	}
	if err := s.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

func testStatus(t *testing.T, h remote.Host) {
	s := start(t, h, "echo gone wrong >&2; exit 7")
	err := s.Wait()
	var e *remote.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *remote.Error", err)
	}
	want := remote.Error{Host: h.Name(), Reason: remote.ReasonExit, Detail: "status 7: gone wrong"}
	if *e != want {
		t.Errorf("got %+v, want %+v", *e, want)
	}
}

func testStderr(t *testing.T, h remote.Host) {
	s := start(t, h, `awk 'BEGIN { printf "a%cb%c[31m\nlast", 27, 7 }' >&2`)
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Stderr(), "ab[31m\nlast"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A witness shows whether a program on the host lives: the program holds a
// FIFO open for writing.
type witness struct{ fifo string }

func newWitness(t *testing.T) witness {
	t.Helper()
	w := witness{filepath.Join(t.TempDir(), "fifo")}
	if err := syscall.Mkfifo(w.fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// command runs script while the FIFO is open, after a line on Stdout.
func (w witness) command(script string) string {
	return fmt.Sprintf("exec 3>%s; echo up; %s", w.fifo, script)
}

// seen opens the FIFO and waits until the program has opened it. The function
// that it returns waits until the program has ended.
func (w witness) seen(t *testing.T, s *remote.Session) (gone func()) {
	t.Helper()
	f, err := os.OpenFile(w.fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	line := make([]byte, 3)
	if _, err := io.ReadFull(s.Stdout, line); err != nil || string(line) != "up\n" {
		t.Fatalf("got %q and %v, want a sign of life; stderr: %s", line, err, s.Stderr())
	}
	return func() {
		t.Helper()
		_ = f.SetReadDeadline(time.Now().Add(patience))
		if _, err := f.Read(line); !errors.Is(err, io.EOF) {
			t.Errorf("the program lives on: %v", err)
		}
	}
}

// Fault 5 and 14: nothing of ours is left on a host.
func testKill(t *testing.T, h remote.Host) {
	w := newWitness(t)
	s := start(t, h, w.command("cat"))
	gone := w.seen(t, s)
	read := make(chan error, 1)
	go func() {
		_, err := s.Stdout.Read(make([]byte, 1))
		read <- err
	}()
	s.Kill()
	s.Kill()
	gone()
	select {
	case err := <-read:
		if err == nil {
			t.Error("Read got data from a killed session")
		}
	case <-time.After(patience):
		t.Error("Read still waits")
	}
	if err := s.Wait(); err == nil {
		t.Error("Wait says that a killed program succeeded")
	}
}

func testShutdown(t *testing.T, h remote.Host) {
	w := newWitness(t)
	s := start(t, h, w.command("cat"))
	gone := w.seen(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	gone()
}

func testStubborn(t *testing.T, h remote.Host) {
	block := newWitness(t).fifo // nobody writes to it: its reader hangs until the test ends
	w := newWitness(t)
	s := start(t, h, w.command("cat <"+block))
	w.seen(t, s)
	t.Cleanup(func() {
		if f, err := os.OpenFile(block, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = f.Close()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("Shutdown says that the program ended well")
	}
}

func testClose(t *testing.T, h remote.Host) {
	var gone []func()
	for range 3 {
		w := newWitness(t)
		gone = append(gone, w.seen(t, start(t, h, w.command("cat"))))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range gone {
		f()
	}
}

func testCancelled(t *testing.T, h remote.Host) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := h.Start(ctx, "true"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v and %v, want that the context is cancelled", s, err)
	}
}

func testMany(t *testing.T, h remote.Host) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := h.Start(t.Context(), fmt.Sprintf("echo %d", i))
			if err != nil {
				t.Error(err)
				return
			}
			got, _ := io.ReadAll(s.Stdout)
			if err := s.Wait(); err != nil || string(got) != fmt.Sprintf("%d\n", i) {
				t.Errorf("session %d: got %q and %v", i, got, err)
			}
		})
	}
	all.Wait()
}

// Program returns a program that stands for our binary: "agent ARGS" makes it
// print "agent ARGS" and then copy its input to its output. It is longer than
// any buffer on the way.
func Program() remote.Program {
	const script = "#!/bin/sh\n" +
		"case $1 in --help) exit 0;; agent) echo \"$@\"; exec cat;; esac\nexit 64\n"
	text := script + strings.Repeat("# every program has some megabytes\n", 50_000)
	sum := sha256.Sum256([]byte(text))
	return remote.Program{
		Reader: strings.NewReader(text),
		Size:   int64(len(text)),
		SHA256: hex.EncodeToString(sum[:]),
	}
}

// Options returns what bootstraps Program in a base directory of the test's.
func Options(t *testing.T) remote.Options {
	return remote.Options{
		Program:  func(string) (remote.Program, error) { return Program(), nil },
		BaseDir:  filepath.Join(t.TempDir(), "base"),
		Args:     []string{"--some", "two words"},
		Patience: patience,
	}
}

// Converse checks that s is at the first byte of Program's output, with the
// arguments of Options, and that the program gets what is sent to it.
func Converse(t *testing.T, s *remote.Session) {
	t.Helper()
	go func() {
		_, _ = io.WriteString(s.Stdin, "the first bytes\n")
		_ = s.Stdin.Close()
	}()
	got, err := io.ReadAll(s.Stdout)
	if want := "agent --some two words\nthe first bytes\n"; err != nil || string(got) != want {
		t.Errorf("got %q and %v, want %q; stderr: %s", got, err, want, s.Stderr())
	}
	if err := s.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

func testBootstrap(t *testing.T, h remote.Host) {
	o := Options(t)
	s, facts, err := remote.Bootstrap(t.Context(), h, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	Converse(t, s)
	want := filepath.Join(o.BaseDir, "bin", Program().FileName())
	if !facts.Uploaded || facts.OS != "linux" || facts.UID != os.Getuid() || facts.Program != want {
		t.Errorf("got %+v, want an upload to %s", facts, want)
	}
	info, err := os.Stat(want)
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("got %v and %v, want mode 0755", info, err)
	}
	if left, _ := filepath.Glob(o.BaseDir + "/bin/*.new-*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func testBootstrapTwice(t *testing.T, h remote.Host) {
	o := Options(t)
	file := filepath.Join(o.BaseDir, "bin", Program().FileName())
	for i, want := range []bool{true, false, true} {
		if i == 2 { // Fault 65: what is there is not what its name says
			if err := os.WriteFile(file, []byte("#!/bin/sh\necho forged\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s, facts, err := remote.Bootstrap(t.Context(), h, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		Converse(t, s)
		if facts.Uploaded != want {
			t.Errorf("run %d: uploaded %v, want %v", i, facts.Uploaded, want)
		}
	}
}
