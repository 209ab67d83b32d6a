package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A usage is what a program took of the machine.
type usage struct {
	cpu    time.Duration // user and system
	memory int64         // peak, bytes
}

// A process is a running program; its end is timed when it ends, not when
// somebody waits for it.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  time.Time
	err    error
	done   chan struct{}
}

// A spawn says what to run where.
type spawn struct {
	host   int
	stdin  io.Reader // a file, or what exec copies; nil: none
	stdout io.Writer
	args   []string
}

// start runs a program on a host.
func (b *bed) start(ctx context.Context, s spawn) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, s.args[0], s.args[1:]...), done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = s.stdin, s.stdout, &p.stderr
	if err := b.inside(host(s.host), p.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting %s: %w", strings.Join(s.args, " "), err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
		p.ended = time.Now()
	}()
	return p, nil
}

func (p *process) wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), p.err, &p.stderr)
	}
	return nil
}

// kill ends a program that is no longer wanted, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// usage is known after the end.
func (p *process) usage() usage {
	<-p.done
	state := p.cmd.ProcessState
	return usage{state.UserTime() + state.SystemTime(), state.SysUsage().(*syscall.Rusage).Maxrss << 10}
}

// A cast is the processes of one transfer.
type cast struct {
	sender    *process
	receivers []*process
	begun     time.Time // when the sender was started
}

// end waits for all and sums up. After a failure nobody is waited for long: the
// others are ended.
func (c *cast) end(st *stage, failure error) (got sample, err error) {
	all := c.receivers
	if c.sender != nil {
		all = append([]*process{c.sender}, all...)
	}
	errs := []error{failure}
	for _, p := range all {
		if errors.Join(errs...) != nil {
			p.kill()
		}
		errs = append(errs, p.wait())
		got.took = max(got.took, p.ended.Sub(c.begun))
		if st.verbose || errors.Join(errs...) != nil {
			_, _ = os.Stderr.Write(p.stderr.Bytes())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return got, err
	}
	got.sender = c.sender.usage()
	for _, p := range c.receivers {
		u := p.usage()
		got.receivers.cpu += u.cpu / time.Duration(len(c.receivers))
		got.receivers.memory = max(got.receivers.memory, u.memory)
	}
	got.arrived = st.size
	return got, nil
}
