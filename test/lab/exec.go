package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostPath is the PATH of what runs in a host.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A Cmd is a command to run in a host, as its user would at a terminal.
type Cmd struct {
	Args   []string
	User   string   // none means root
	Env    []string // added to PATH, HOME, USER and the like
	Dir    string   // none means the user's home
	Stdin  io.Reader
	Stdout io.Writer // as it is written, besides what a Result holds
	Stderr io.Writer
}

// A Result is how a command ended.
type Result struct {
	Args   []string
	Stdout string
	Stderr string
	Code   int   // exit code; 128 and the signal's number when killed; -1 when it never ran
	Err    error // it could not run, or its context ended
	// HeldOpen reports that the command ended and something that it left
	// running kept its output open.
	HeldOpen bool
	Took     time.Duration
}

// OK reports whether the command exited 0.
func (r Result) OK() bool { return r.Err == nil && r.Code == 0 }

// String shows the whole of it, for a test's message.
func (r Result) String() string {
	return fmt.Sprintf("$ %s\nexit code %d after %v (%v)\nstdout:\n%s\nstderr:\n%s",
		strings.Join(r.Args, " "), r.Code, r.Took.Round(time.Millisecond), r.Err,
		r.Stdout, r.Stderr)
}

// Run runs a command as root and waits for it.
func (h *Host) Run(ctx context.Context, args ...string) Result {
	return h.RunCmd(ctx, Cmd{Args: args})
}

// RunCmd runs a command and waits for it. When ctx ends first, the command's
// process group is killed.
func (h *Host) RunCmd(ctx context.Context, c Cmd) Result {
	p, err := h.Start(c)
	if err != nil {
		return Result{Args: c.Args, Code: -1, Err: err}
	}
	return p.WaitContext(ctx)
}

// Shell runs a script with /bin/sh as root.
func (h *Host) Shell(ctx context.Context, script string) error {
	if r := h.Run(ctx, "sh", "-ec", script); !r.OK() {
		return fmt.Errorf("on %s: %v", h.Name(), r)
	}
	return nil
}

// A Process is a command that runs in a host.
type Process struct {
	args     []string
	cmd      *exec.Cmd
	out, err bytes.Buffer
	started  time.Time
	done     chan struct{} // closed when the command has ended
	waitErr  error         // valid when done is closed
	took     time.Duration // valid when done is closed
}

// outputPatience is how long a command's output may stay open after its end.
const outputPatience = 3 * time.Second

// Start starts a command, in a process group of its own.
func (h *Host) Start(c Cmd) (*Process, error) {
	p := &Process{args: c.Args, done: make(chan struct{})}
	h.running.Add(1)
	err := onThread(func() error { return h.startHere(c, p) })
	if err != nil {
		h.running.Done()
		return nil, fmt.Errorf("starting %s on %s: %w", c.Args[0], h.Name(), err)
	}
	go func() {
		defer h.running.Done()
		p.waitErr = p.cmd.Wait()
		p.took = time.Since(p.started)
		close(p.done)
	}()
	return p, nil
}

// startHere runs on a thread that is thrown away.
func (h *Host) startHere(c Cmd, p *Process) error {
	if err := joinThread(h.cgroups); err != nil {
		return err
	}
	if err := h.ns.enter(); err != nil {
		return err
	}
	account, err := lookAccount(c.User)
	if err != nil {
		return err
	}
	path, err := findProgram(c.Args[0])
	if err != nil {
		return err
	}
	cmd := exec.Command(path, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Env = append(account.env(), c.Env...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = account.Home
	}
	cmd.Stdin = c.Stdin
	cmd.Stdout, cmd.Stderr = tee(&p.out, c.Stdout), tee(&p.err, c.Stderr)
	cmd.WaitDelay = outputPatience
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Credential: account.credential()}
	if h.leaf != nil {
		cmd.SysProcAttr.UseCgroupFD = true
		cmd.SysProcAttr.CgroupFD = int(h.leaf.Fd())
	}
	p.cmd, p.started = cmd, time.Now()
	return cmd.Start()
}

func tee(buf *bytes.Buffer, also io.Writer) io.Writer {
	if also == nil {
		return buf
	}
	return io.MultiWriter(buf, also)
}

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the command's process id outside of the host.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the command's end.
func (p *Process) Wait() Result {
	<-p.done
	r := Result{Args: p.args, Stdout: p.out.String(), Stderr: p.err.String(), Took: p.took}
	r.Code = p.cmd.ProcessState.ExitCode()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.Code = 128 + int(ws.Signal())
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(p.waitErr, exec.ErrWaitDelay):
		r.HeldOpen = true
	case p.waitErr != nil && !errors.As(p.waitErr, &exit):
		r.Err = p.waitErr
	}
	return r
}

// WaitContext is Wait, but kills the process group when ctx ends.
func (p *Process) WaitContext(ctx context.Context) Result {
	select {
	case <-p.done:
		return p.Wait()
	case <-ctx.Done():
		p.SignalGroup(unix.SIGKILL)
		r := p.Wait()
		r.Err = context.Cause(ctx)
		return r
	}
}

// Signal sends a signal to the command alone.
func (p *Process) Signal(sig unix.Signal) error { return p.cmd.Process.Signal(sig) }

// SignalGroup sends a signal to the command and its children, as a terminal
// does at Ctrl-C.
func (p *Process) SignalGroup(sig unix.Signal) error {
	select {
	case <-p.done:
		return nil // its id may be another's by now
	default:
		return unix.Kill(-p.PID(), sig)
	}
}

// Stop ends the command: SIGTERM, and SIGKILL to its group when it is still
// there after patience.
func (p *Process) Stop(patience time.Duration) {
	p.Signal(unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.SignalGroup(unix.SIGKILL)
		<-p.done
	}
}
