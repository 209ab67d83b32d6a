package enginetest

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

const (
	// fakeGrace is what a program gets between SIGTERM and SIGKILL.
	fakeGrace = 3 * time.Second
	// fakeRestart is the pause before an engine starts a program again, doubled each
	// time. The real ones begin with 100 ms.
	fakeRestart = 5 * time.Millisecond
)

// A fakeContainer is a container of a Fake; spec is guarded by the Fake's mu.
type fakeContainer struct {
	id   string
	spec engine.Container

	mu         sync.Mutex // guards what follows
	wanted     bool       // it is to run
	pid        int        // 0 when it does not run
	restarting bool
	restarts   int
	exit       int
	ended      chan struct{} // closed when the goroutine that keeps it running is over
}

// start keeps the container running; false when it is already.
func (c *fakeContainer) start(command func(engine.Container) *exec.Cmd) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted {
		return false
	}
	c.wanted, c.restarts = true, 0
	c.ended = make(chan struct{})
	if command == nil {
		c.pid = os.Getpid()
		close(c.ended)
		return true
	}
	started := make(chan struct{})
	go c.keep(command, c.spec, started)
	c.mu.Unlock()
	<-started
	c.mu.Lock()
	return true
}

// keep runs the program again and again while it is wanted.
func (c *fakeContainer) keep(command func(engine.Container) *exec.Cmd, spec engine.Container, started chan struct{}) {
	defer close(c.ended)
	pause := fakeRestart
	for again := true; again; pause = min(2*pause, time.Second) {
		cmd := command(spec)
		err := cmd.Start()
		c.mu.Lock()
		if c.restarting = false; err == nil {
			c.pid = cmd.Process.Pid
		}
		c.mu.Unlock()
		if started != nil {
			close(started)
			started = nil
		}
		if err == nil {
			_ = cmd.Wait()
		}
		c.mu.Lock()
		c.pid, c.exit = 0, 127
		if cmd.ProcessState != nil {
			c.exit = cmd.ProcessState.ExitCode()
		}
		if again = c.wanted && spec.Restart; again {
			c.restarting = true
			c.restarts++
		}
		c.mu.Unlock()
		if again {
			time.Sleep(pause)
		}
	}
}

// stop ends the container; false when it did not run.
func (c *fakeContainer) stop() bool {
	c.mu.Lock()
	if !c.wanted {
		c.mu.Unlock()
		return false
	}
	c.wanted = false
	ended := c.ended
	c.mu.Unlock()
	deadline := time.Now().Add(fakeGrace)
	for {
		c.signal(time.Now().After(deadline))
		select {
		case <-ended:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pid, c.restarting = 0, false
			return true
		case <-time.After(fakeRestart): // it may just have been started again
		}
	}
}

func (c *fakeContainer) signal(hard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 || c.pid == os.Getpid() {
		return
	}
	signal := syscall.SIGTERM
	if hard {
		signal = syscall.SIGKILL
	}
	_ = syscall.Kill(c.pid, signal)
}
