package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/remotetest"
)

// A node is this machine with programs of the test's in front of its own, and
// with a login shell that runs prologue first.
type node struct {
	remote.Host
	bin      string
	prologue string
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{Host: local.New("node-1"), bin: t.TempDir()}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func (n *node) Start(ctx context.Context, command string) (*remote.Session, error) {
	return n.Host.Start(ctx, fmt.Sprintf("PATH=%s:$PATH; export PATH; %s\n%s", n.bin, n.prologue, command))
}

// install puts a shell script in front of the machine's program.
func (n *node) install(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.bin, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
}

func (n *node) bootstrap(t *testing.T, o remote.Options) (*remote.Session, remote.Facts, error) {
	t.Helper()
	s, facts, err := remote.Bootstrap(t.Context(), n, o)
	if s != nil {
		t.Cleanup(s.Kill)
	}
	return s, facts, err
}

func wantReason(t *testing.T, err error, reason remote.Reason, detail string) {
	t.Helper()
	var e *remote.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want an *Error", err)
		return
	}
	if e.Reason != reason || e.Host != "node-1" || !strings.Contains(e.Error(), detail) {
		t.Errorf("got %v, want %q with %q", err, reason, detail)
	}
}

func TestFault64HostsThatCannotTakeTheProgram(t *testing.T) {
	tests := []struct {
		name    string
		program string // that is replaced on the host
		script  string
		reason  remote.Reason
		detail  string
	}{
		{"noexec", "chmod", "exec /bin/chmod 0644 \"$2\"", remote.ReasonNoExec, "Permission denied"},
		{"read-only", "mkdir", "echo \"mkdir: cannot create directory 'x': Read-only file system\" >&2; exit 1",
			remote.ReasonReadOnly, "Read-only"},
		{"full", "head", "echo \"head: error writing 'standard output': No space left on device\" >&2; exit 1",
			remote.ReasonDisk, "No space left"},
		{"full half way", "head", "/usr/bin/head -c 100000; echo 'head: write error: No space left on device' >&2; exit 1",
			remote.ReasonDisk, "No space left"},
		{"quota", "mv", "echo 'mv: Disk quota exceeded' >&2; exit 1", remote.ReasonDisk, "quota"},
		{"flipped bits", "head", "/usr/bin/head \"$@\" | tr s S", remote.ReasonProgram, ""},
		{"no sha256sum", "sha256sum", "echo sha256sum: not here >&2; exit 127", remote.ReasonProgram, "not here"},
		{"riscv", "uname", "case $1 in -m) echo riscv64;; *) echo Linux;; esac", remote.ReasonArch, "Linux riscv64"},
		{"FreeBSD", "uname", "case $1 in -m) echo amd64;; *) echo FreeBSD;; esac", remote.ReasonArch, "FreeBSD amd64"},
		{"nonsense", "id", "echo nobody knows", remote.ReasonProtocol, "nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.install(t, tt.program, tt.script)
			o := remotetest.Options(t)
			_, _, err := n.bootstrap(t, o)
			wantReason(t, err, tt.reason, tt.detail)
			left, _ := filepath.Glob(filepath.Join(o.BaseDir, "bin", "*.new-*"))
			if len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

// Nobody else may be able to change what root is about to run.
func TestBaseDirThatOthersCanWrite(t *testing.T) {
	for _, dir := range []string{".", "bin"} {
		for _, mode := range []os.FileMode{0o775, 0o757} {
			o := remotetest.Options(t)
			if err := os.MkdirAll(filepath.Join(o.BaseDir, "bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(o.BaseDir, dir), mode); err != nil {
				t.Fatal(err)
			}
			_, _, err := newNode(t).bootstrap(t, o)
			wantReason(t, err, remote.ReasonReadOnly, "can be written by others")
		}
	}
}

func TestFault65ProgramMissingOrBroken(t *testing.T) {
	broken := remotetest.Program()
	broken.Size += 10
	unnamed := remotetest.Program()
	unnamed.SHA256 = "../../etc/passwd"
	tests := []struct {
		name    string
		program remote.Program
		err     error
		reason  remote.Reason
	}{
		{"none for that arch", remote.Program{}, errors.New("no program for arm64"), remote.ReasonArch},
		{"shorter than said", broken, nil, remote.ReasonProgram},
		{"no digest", unnamed, nil, remote.ReasonProgram},
		{"empty", remote.Program{SHA256: strings.Repeat("0", 64)}, nil, remote.ReasonProgram},
	}
	for _, tt := range tests {
		n := newNode(t)
		n.install(t, "uname", "case $1 in -m) echo aarch64;; *) echo Linux;; esac")
		o := remotetest.Options(t)
		o.Program = func(arch string) (remote.Program, error) {
			if arch != "arm64" {
				t.Errorf("asked for %s", arch)
			}
			return tt.program, tt.err
		}
		_, _, err := n.bootstrap(t, o)
		wantReason(t, err, tt.reason, "")
	}
}

func TestBootstrapRefusesOddOptions(t *testing.T) {
	for _, change := range []func(*remote.Options){
		func(o *remote.Options) { o.BaseDir = "relative" },
		func(o *remote.Options) { o.BaseDir = "/a/../b" },
		func(o *remote.Options) { o.BaseDir = "/a b" },
		func(o *remote.Options) { o.BaseDir = "/$(id)" },
		func(o *remote.Options) { o.Args = []string{"it's"} },
		func(o *remote.Options) { o.BecomePassword = remote.NewSecret("a\nb") },
	} {
		o := remotetest.Options(t)
		change(&o)
		_, _, err := newNode(t).bootstrap(t, o)
		wantReason(t, err, remote.ReasonConfig, "")
	}
}

func TestFault64SilentHost(t *testing.T) {
	n := newNode(t)
	n.prologue = "echo Choose a menu entry:; cat >/dev/null"
	o := remotetest.Options(t)
	o.Patience = time.Second // in which its shell has begun
	_, _, err := n.bootstrap(t, o)
	wantReason(t, err, remote.ReasonTimeout, "Choose a menu entry:")
}

func TestEndlessNoise(t *testing.T) {
	n := newNode(t)
	n.prologue = "exec yes"
	_, _, err := n.bootstrap(t, remotetest.Options(t))
	wantReason(t, err, remote.ReasonProtocol, "too much output")
}

func TestBootstrapIsCancelled(t *testing.T) {
	n := newNode(t)
	fifo := filepath.Join(t.TempDir(), "up")
	n.prologue = "echo up >" + fifo + "; exec cat"
	ctx, cancel := context.WithCancel(t.Context())
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = os.ReadFile(fifo)
		cancel()
	}()
	_, _, err := remote.Bootstrap(ctx, n, remotetest.Options(t))
	wantReason(t, err, remote.ReasonInterrupted, "canceled")

	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err = remote.Bootstrap(late, n, remotetest.Options(t))
	wantReason(t, err, remote.ReasonTimeout, "deadline")
}

// The context of Bootstrap is not the session's.
func TestSessionOutlivesBootstrap(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, _, err := remote.Bootstrap(ctx, newNode(t), remotetest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	cancel()
	remotetest.Converse(t, s)
}

// A host that says it is ready and takes nothing must not hang the run.
func TestHostThatLies(t *testing.T) {
	n := newNode(t)
	fifo := filepath.Join(t.TempDir(), "never")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	n.install(t, "head", "echo '#!/bin/sh'; echo 'case $1 in agent) exec cat "+fifo+";; esac'")
	n.install(t, "sha256sum", "cat >/dev/null; echo \""+remotetest.Program().SHA256+"  -\"")
	o := remotetest.Options(t)
	o.Patience = 2 * time.Second // in which each step before has answered
	_, _, err := n.bootstrap(t, o)
	wantReason(t, err, remote.ReasonTimeout, "says nothing")
}
