package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// A measure runs the programs in a bed.
type measure struct {
	bed     *bed
	self    string // this program, for TCP
	program string // daisy-mcast
	verbose bool   // whether to show what the programs say
	size    int64
	sum     [sha256.Size]byte
}

func newMeasure(b *bed, o options) (*measure, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &measure{bed: b, self: self, program: o.program, size: o.megabytes << 20, verbose: o.verbose}
	if m.program == "" {
		m.program = b.path("daisy-mcast")
		if err := run("go", "build", "-o", m.program, "github.com/daisy-mcast/daisy-mcast/cmd/daisy-mcast"); err != nil {
			return nil, err
		}
	}
	return m, m.makeInput()
}

// makeInput writes the random bytes that all rounds send.
func (m *measure) makeInput() error {
	f, err := os.Create(m.bed.path("in"))
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.Reader, m.size); err != nil {
		return err
	}
	h.Sum(m.sum[:0])
	return f.Close()
}

func (m *measure) round() (r round, err error) {
	if r.tcp, err = m.tcp(); err != nil {
		return r, fmt.Errorf("TCP: %w", err)
	}
	if err := m.ours(&r); err != nil {
		return r, fmt.Errorf("daisy-mcast: %w", err)
	}
	return r, nil
}

// tcp times one stream to receiver 1.
func (m *measure) tcp() (time.Duration, error) {
	to := addr(1) + ":5001"
	recv, err := m.start(host(1), "", m.bed.path("out1"), m.self, tcpCommand, "receive", to)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	send, err := m.start(host(0), m.bed.path("in"), "", m.self, tcpCommand, "send", to)
	if err != nil {
		_ = recv.cmd.Process.Kill()
		return 0, errors.Join(err, recv.wait())
	}
	err = errors.Join(send.wait(), recv.wait())
	took := time.Since(begun)
	return took, errors.Join(err, m.check("out1"))
}

// ours times one session with all receivers.
func (m *measure) ours(r *round) error {
	begun := time.Now()
	server, err := m.start(host(0), m.bed.path("in"), "", m.program,
		"server", addr(0), strconv.Itoa(m.bed.receivers))
	if err != nil {
		return err
	}
	var clients []*process
	for i := 1; i <= m.bed.receivers; i++ {
		c, startErr := m.start(host(i), "", m.bed.path("out"+strconv.Itoa(i)), m.program,
			"client", addr(i), addr(0))
		if startErr != nil {
			err = startErr
			_ = server.cmd.Process.Kill()
			break
		}
		clients = append(clients, c)
	}
	for i, c := range clients {
		err = errors.Join(err, c.wait(), m.check("out"+strconv.Itoa(i+1)))
		r.clientRSS = max(r.clientRSS, c.maxRSS())
		r.ours = max(r.ours, c.ended.Sub(begun))
	}
	err = errors.Join(err, server.wait())
	r.serverRSS = server.maxRSS()
	r.ours = max(r.ours, server.ended.Sub(begun))
	if m.verbose {
		fmt.Fprint(os.Stderr, &server.stderr)
		for _, c := range clients {
			fmt.Fprint(os.Stderr, &c.stderr)
		}
	}
	return err
}

// check compares a receiver's file with the input and removes it.
func (m *measure) check(name string) error {
	f, err := os.Open(m.bed.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if [sha256.Size]byte(h.Sum(nil)) != m.sum {
		return fmt.Errorf("%s has wrong bytes", name)
	}
	return os.Remove(m.bed.path(name))
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

// start runs args in a namespace, with files as standard input and output.
func (m *measure) start(ns, in, out string, args ...string) (*process, error) {
	p := &process{cmd: m.bed.command(ns, args...), done: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	if in != "" {
		f, err := os.Open(in)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p.cmd.Stdin = f
	}
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p.cmd.Stdout = f
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
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
		return fmt.Errorf("%s: %w: %s", p.cmd.Args[4:], p.err, &p.stderr)
	}
	return nil
}

func (p *process) maxRSS() int64 {
	<-p.done
	return p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}
