package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// stopGrace is what a process gets between SIGTERM and SIGKILL: the registry
	// lets pulls finish.
	stopGrace = 10 * time.Second
	// maxLog is the size from which a process's log is begun anew, in bytes: by its
	// starter, and by itself while it runs.
	maxLog = 1 << 20
	logDir = "log" // of BaseDir
	// logTail is how much of the log an error shows, in bytes.
	logTail = 1 << 10
)

// A processKeeper keeps the registry as a detached child. It does not come back
// after a reboot.
type processKeeper struct {
	spec    Spec
	version string
	found   []*processInstance // by find
}

func (k *processKeeper) pidFile() string {
	return filepath.Join(k.spec.runDir(), k.spec.Name+".json")
}
func (k *processKeeper) logFile() string {
	return filepath.Join(k.spec.BaseDir, logDir, k.spec.Name+".log")
}

// nextFile is the pid file of a process that has not proven itself yet.
func (k *processKeeper) nextFile() string {
	return filepath.Join(k.spec.runDir(), k.spec.Name+nextSuffix+".json")
}

func (k *processKeeper) find(context.Context) ([]instance, error) {
	k.found = nil
	for _, file := range []string{k.pidFile(), k.nextFile()} {
		r, err := readRecord(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k.add(file, r)
	}
	for _, r := range findOrphans(k.logFile()) {
		k.add(k.nextFile(), r)
	}
	found := make([]instance, len(k.found))
	for i, p := range k.found {
		if p.record.running() {
			// Held open, so that the old program can be started again when its file
			// has been overwritten meanwhile. Without it the path has to do.
			p.program, _ = os.Open(filepath.Join("/proc", strconv.Itoa(p.record.PID), "exe"))
		}
		found[i] = p
	}
	return found, nil
}

// add notes a process that is recorded in file, or ought to be. One that was about to
// get its final place is in both.
func (k *processKeeper) add(file string, r record) {
	for _, p := range k.found {
		if p.record.same(r) {
			return
		}
	}
	k.found = append(k.found, &processInstance{keeper: k, file: file, record: r})
}

func (k *processKeeper) args() []string {
	return append(k.spec.args(k.spec.StoreDir, k.spec.certPath()), "--log-limit", strconv.Itoa(maxLog))
}

func (k *processKeeper) fingerprint() (string, error) {
	around, err := k.spec.surroundings()
	if err != nil {
		return "", err
	}
	parts := append([]string{string(Process), k.version}, around...)
	return fingerprint(append(parts, k.args()...)...), nil
}

func (k *processKeeper) prepare(context.Context) (instance, error) {
	print, err := k.fingerprint()
	if err != nil {
		return nil, err
	}
	if err := k.tidy(); err != nil {
		return nil, err
	}
	return &processInstance{keeper: k, file: k.nextFile(), record: record{
		Program: k.spec.Program, Args: k.args(), Version: k.version, Fingerprint: print,
	}}, nil
}

// A processInstance is one process, running or not. For one goroutine.
type processInstance struct {
	keeper  *processKeeper
	file    string // the pid file; the keeper's nextFile until it has proven itself
	record  record
	program *os.File // what the running process was started from; may be nil
	started bool     // by this instance, so that its log is its own
	gone    bool     // it was removed
}

func (p *processInstance) look(context.Context) (sight, error) {
	s := sight{
		mode: Process, fingerprint: p.record.Fingerprint, version: p.record.Version,
		note: "a plain process: it does not come back after a reboot",
	}
	if s.running = p.record.running(); s.running {
		s.pid = p.record.PID
		return s, nil
	}
	s.fault = "its process is gone"
	if p.started {
		s.fault = "its process has ended: " + tail(p.keeper.logFile())
	}
	return s, nil
}

// start starts the program, unless it runs: a replacement may have failed before
// it stopped this one.
func (p *processInstance) start(context.Context) error {
	if p.gone {
		return errGone
	}
	if p.record.running() {
		return nil
	}
	out, err := openLog(p.keeper.logFile())
	if err != nil {
		return err
	}
	defer out.Close()
	path := p.record.Program
	if p.program != nil {
		path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.program.Fd())
	}
	cmd := exec.Command(path, p.record.Args...) //nolint:noctx // it outlives every context of this program
	cmd.Args[0] = p.record.Program
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the registry: %w", err)
	}
	// The child outlives this program. While this program lives it has to take
	// the child's end, or a dead child would look like a living one.
	go func() { _ = cmd.Wait() }()
	p.record.begin(cmd.Process.Pid)
	p.started = true
	if err := p.record.write(p.file); err != nil {
		return errors.Join(err, p.record.kill(stopGrace))
	}
	return nil
}

func (p *processInstance) stop(context.Context) error { return p.record.kill(stopGrace) }

func (p *processInstance) close() {
	if p.program != nil {
		p.program.Close()
		p.program = nil
	}
}

// openLog opens a process's log to write at its end, empty when it has grown
// past maxLog.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the log's directory: %w", err)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND | syscall.O_NOFOLLOW
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening the registry's log: %w", err)
	}
	return f, nil
}

// tail returns the end of a log, for an error message.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "its log cannot be read"
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-logTail), io.SeekStart)
	}
	b, err := io.ReadAll(io.LimitReader(f, logTail))
	if err != nil || len(b) == 0 {
		return "its log is empty"
	}
	return string(b)
}
