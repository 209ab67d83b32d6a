package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stderrDelay is how long a process that has ended may keep its standard error
// open through children of its own before we stop listening.
const stderrDelay = time.Second

// A Process is what StartProcess runs.
type Process struct {
	Cmd *exec.Cmd // its streams and SysProcAttr are StartProcess's to set

	// Judge says why the process ended: status is its exit status (-1: a
	// signal), stderr the end of its standard error. Not asked about success.
	Judge func(status int, stderr string) error

	Stderr  io.Writer     // gets a copy of standard error; may be nil
	Started func(pid int) // called once, when the process runs; may be nil
	Ended   func()        // called once, after Started and the process's end; may be nil
}

// StartProcess runs p as a Session. The process leads a session and a process
// group of its own: Ctrl-C at the terminal does not reach it, it cannot ask
// for passwords there, and Kill ends it together with its children. A child
// that outlives the process is left alone, as sshd does.
func StartProcess(p Process) (*Session, error) {
	tail := &Tail{}
	r := &runner{cmd: p.Cmd, done: make(chan struct{})}
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.Cmd.WaitDelay = stderrDelay
	p.Cmd.Stderr = tail
	if p.Stderr != nil {
		p.Cmd.Stderr = io.MultiWriter(tail, p.Stderr)
	}
	stdin, stdout, err := r.start()
	if err != nil {
		return nil, err
	}
	if p.Started != nil {
		p.Started(p.Cmd.Process.Pid)
	}
	go r.wait(p, tail)
	return NewSession(SessionConfig{
		Stdin: stdin, Stdout: stdout, Stderr: tail,
		Done:   r.done,
		Result: func() error { return r.err },
		Kill:   r.kill,
		Free:   func() { _ = stdout.Close() },
	}), nil
}

// A runner owns one process. Its wait goroutine writes err before it closes
// done.
type runner struct {
	cmd  *exec.Cmd
	done chan struct{} // closed by wait
	err  error

	mu     sync.Mutex
	killed bool
	ended  bool // the process is about to be reaped: its id may be another's soon
}

// start makes the pipes. Stdout is not exec's own pipe: Wait would close that
// one with data in it.
func (r *runner) start() (io.WriteCloser, *os.File, error) {
	stdin, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	r.cmd.Stdout = w
	if err := r.cmd.Start(); err != nil {
		_ = out.Close()
		return nil, nil, err
	}
	return stdin, out, nil
}

func (r *runner) wait(p Process, tail *Tail) {
	defer close(r.done)
	if p.Ended != nil {
		defer p.Ended()
	}
	r.awaitExit()
	err := r.cmd.Wait()
	r.mu.Lock()
	killed := r.killed
	r.mu.Unlock()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && killed:
		r.err = &Error{Reason: ReasonExit, Detail: "killed by us"}
	case errors.As(err, &exit):
		r.err = p.Judge(exit.ExitCode(), tail.String())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		r.err = fmt.Errorf("waiting for %s: %w", r.cmd.Path, err)
	}
}

// awaitExit returns when the process has ended but is not reaped, so that kill
// never meets another process under its id.
func (r *runner) awaitExit() {
	for {
		err := unix.Waitid(unix.P_PID, r.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
}

// kill ends the process group, unless its leader has ended already.
func (r *runner) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.killed = true
	_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL) // it can only be gone
}

// Sessions are the sessions of a host that may still run. The zero value is
// ready; it is safe for concurrent use.
type Sessions struct {
	mu  sync.Mutex
	all []*Session
}

// Add remembers s until it has ended.
func (l *Sessions) Add(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	running := l.all[:0]
	for _, s := range l.all {
		select {
		case <-s.Done():
		default:
			running = append(running, s)
		}
	}
	l.all = append(running, s)
}

// Kill ends all sessions that still run.
func (l *Sessions) Kill() {
	l.mu.Lock()
	all := l.all
	l.all = nil
	l.mu.Unlock()
	for _, s := range all {
		s.Kill()
	}
}
