package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Bootstrap starts our agent on h and returns the session with Stdout at the
// agent's first byte. It checks the architecture, becomes root by o.Become,
// and copies the program unless the host has it with the right SHA-256.
//
// ctx bounds Bootstrap, not the session. On failure the session is gone and
// the error is an *Error.
func Bootstrap(ctx context.Context, h Host, o Options) (*Session, Facts, error) {
	o = o.withDefaults()
	b := &bootstrap{options: o, marks: newMarks()}
	command, err := b.command()
	if err != nil {
		return nil, Facts{}, &Error{Host: h.Name(), Reason: ReasonConfig, Err: err}
	}
	b.session, err = h.Start(ctx, command)
	if err != nil {
		return nil, Facts{}, withHost(h, err, ReasonConfig)
	}
	b.dog = newWatchdog(ctx, b.session, o.Patience)
	b.session.stderr.hide(b.marks.prompt())
	b.marks.r.Reset(b.session.Stdout)
	b.marks.heard = b.dog.heard
	err = b.run()
	if why := b.dog.stop(); why != nil {
		err = b.killed(why)
	}
	if err != nil {
		b.session.Kill()
		b.uploads.Wait()
		return nil, Facts{}, withHost(h, err, ReasonProtocol)
	}
	b.session.Stdout = b.marks.r
	return b.session, b.facts, nil
}

// A bootstrap is one run of Bootstrap; its fields belong to that goroutine.
type bootstrap struct {
	options Options
	marks   *marks
	session *Session
	dog     *watchdog
	facts   Facts

	become  bool // reports whether we wait for sudo
	uploads sync.WaitGroup
}

// command returns the host's command line.
func (b *bootstrap) command() (string, error) {
	o := b.options
	if err := o.validate(); err != nil {
		return "", err
	}
	words := append([]string{b.marks.first, b.marks.second, o.BaseDir}, o.Args...)
	switch {
	case o.Become == BecomeNone:
		return Command(agentScript, words...)
	case o.BecomePassword.IsSet():
		return Command(becomeScript, append([]string{agentScript}, words...)...)
	default:
		return Command(becomeQuietScript, append([]string{agentScript}, words...)...)
	}
}

// run talks with the scripts until the agent runs.
func (b *bootstrap) run() error {
	hello, err := b.hello()
	if err != nil {
		return err
	}
	if err := b.learn(hello); err != nil {
		return err
	}
	program, err := b.options.Program(b.facts.Arch)
	if err != nil {
		return &Error{Reason: ReasonArch, Detail: b.facts.Arch, Err: err}
	}
	if err := program.validate(); err != nil {
		return &Error{Reason: ReasonProgram, Err: err}
	}
	if _, err := io.WriteString(b.session.Stdin, program.request()); err != nil {
		return b.ended(err)
	}
	answer, err := b.expect("need", "ready")
	if err == nil && answer.kind == "need" {
		b.facts.Uploaded = true
		b.upload(program, answer.rest == "gzip")
		answer, err = b.expect("ready")
	}
	if err == nil {
		b.uploads.Wait() // a host that is ready before it has all is not to be believed
	}
	b.facts.Program = answer.rest
	return err
}

// hello waits for the agent's script; on the way there sudo may ask for the
// password.
func (b *bootstrap) hello() (string, error) {
	if b.options.Become == BecomeNone {
		answer, err := b.expect("hello")
		return answer.rest, err
	}
	if _, err := b.expect("login"); err != nil {
		return "", err
	}
	b.become = true
	stop := b.feedSudo()
	answer, err := b.expect("hello")
	stop()
	b.become = err != nil
	return answer.rest, err
}

// feedSudo gives sudo the password when it asks, and ends the session when it
// asks again. It uses Stdin until the function that it returns has returned.
func (b *bootstrap) feedSudo() (stop func()) {
	if !b.options.BecomePassword.IsSet() {
		return func() {}
	}
	asked := b.session.stderr.Expect(b.marks.prompt(), 1)
	again := b.session.stderr.Expect(b.marks.prompt(), 2)
	quit := make(chan struct{})
	var feeder sync.WaitGroup
	feeder.Go(func() {
		select {
		case <-quit:
			return
		case <-asked:
		}
		_, _ = io.WriteString(b.session.Stdin, b.options.BecomePassword.Reveal()+"\n") // sudo's end shows in Stdout
		select {
		case <-quit:
		case <-again:
			b.dog.kill(&Error{Reason: ReasonSudo, Detail: "the password was not accepted"})
		}
	})
	return func() { close(quit); feeder.Wait() }
}

// learn takes "SYSTEM MACHINE UID".
func (b *bootstrap) learn(hello string) error {
	var system, machine string
	if _, err := fmt.Sscan(hello, &system, &machine, &b.facts.UID); err != nil {
		return &Error{Reason: ReasonProtocol, Detail: hello, Err: err}
	}
	b.facts.OS = strings.ToLower(system)
	arch, known := goArch(machine)
	if b.facts.OS != "linux" || !known {
		return &Error{Reason: ReasonArch, Detail: system + " " + machine}
	}
	b.facts.Arch = arch
	return nil
}

// goArch translates what uname -m says.
func goArch(machine string) (arch string, known bool) {
	switch machine {
	case "x86_64", "amd64":
		return "amd64", true
	case "aarch64", "arm64":
		return "arm64", true
	}
	return "", false
}

// upload sends the program while the caller waits for the host's answer, which
// may come before the end: the disk is full, say. What goes wrong there shows in
// the answer; our own reader's faults would not.
func (b *bootstrap) upload(p Program, packed bool) {
	b.uploads.Go(func() {
		w := &heardWriter{w: b.session.Stdin, heard: b.dog.heard}
		source, size := p.Reader, p.Size
		var err error
		if packed {
			source, size, err = p.Packed()
		}
		if packed && err == nil {
			_, err = fmt.Fprintf(w, "%d\n", size)
		}
		var n int64
		if err == nil {
			n, err = io.Copy(w, io.NewSectionReader(source, 0, size))
		}
		switch {
		case w.err != nil:
		case err != nil:
			b.dog.kill(&Error{Reason: ReasonProgram, Detail: "reading it here", Err: err})
		case n < size:
			b.dog.kill(&Error{Reason: ReasonProgram, Detail: "reading it here", Err: io.ErrUnexpectedEOF})
		}
	})
}

// A heardWriter tells that the host has taken something.
type heardWriter struct {
	w     io.Writer
	heard func()
	err   error // w's first
}

func (h *heardWriter) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	if err != nil && h.err == nil {
		h.err = err
	}
	h.heard()
	return n, err
}

// An answer is one line of the scripts.
type answer struct{ kind, rest string }

// expect waits for one of the kinds of answers.
func (b *bootstrap) expect(kinds ...string) (answer, error) {
	kind, rest, err := b.marks.next()
	if err != nil {
		return answer{}, b.ended(err)
	}
	b.session.loggedIn.Store(true)
	for _, k := range kinds {
		if k == kind {
			return answer{kind, rest}, nil
		}
	}
	if kind == "fail" {
		return answer{}, failed(rest)
	}
	return answer{}, &Error{Reason: ReasonProtocol, Detail: Sanitize(kind + " " + rest)}
}

// withHost makes err an *Error that names the host.
func withHost(h Host, err error, reason Reason) error {
	var known *Error
	if !errors.As(err, &known) {
		return &Error{Host: h.Name(), Reason: contextReason(err, reason), Err: err}
	}
	named := *known
	named.Host = h.Name()
	return &named
}

// contextReason returns the reason for a context's error, otherwise for all
// other errors.
func contextReason(err error, otherwise Reason) Reason {
	switch {
	case errors.Is(err, context.Canceled):
		return ReasonInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout
	}
	return otherwise
}
