package remote

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// A Session is a command that runs on a host. It ends when the command does,
// or when the connection breaks, or by Kill; a host's agent ends when Stdin is
// closed.
//
// Stdin belongs to one goroutine and Stdout to one; the methods may be called
// from any.
type Session struct {
	Stdin  io.WriteCloser
	Stdout io.Reader

	stderr *Tail
	done   <-chan struct{} // closed by whoever runs the process, after it ended
	result func() error    // valid once done is closed
	kill   func()
	free   func()
	once   sync.Once // guards free

	loggedIn atomic.Bool // reports whether the host has answered: it was reachable
}

// SessionConfig is what a Host makes a Session of.
type SessionConfig struct {
	Stdin  io.WriteCloser
	Stdout io.Reader
	Stderr *Tail
	Done   <-chan struct{} // closed when the process has ended
	Result func() error    // why it ended, nil for success; called after Done
	Kill   func()          // ends the process and all that it started; may be called often
	Free   func()          // called once, when the session is over; may be nil
}

// NewSession returns the session that c describes; c.Free may be nil.
func NewSession(c SessionConfig) *Session {
	return &Session{
		Stdin: c.Stdin, Stdout: c.Stdout,
		stderr: c.Stderr, done: c.Done, result: c.Result, kill: c.Kill, free: c.Free,
	}
}

// Stderr returns the last lines of the command's standard error (of ssh's,
// too), at most 8 KiB, without control characters.
func (s *Session) Stderr() string { return s.stderr.String() }

// Done is closed when the session has ended; Stdout may still hold data.
func (s *Session) Done() <-chan struct{} { return s.done }

// Wait waits for the end of the session and returns nil when the command
// succeeded, and an *Error otherwise. It frees Stdout, so what is of interest
// there must have been read.
func (s *Session) Wait() error {
	<-s.done
	s.release()
	err := s.result()
	var e *Error
	if s.loggedIn.Load() && errors.As(err, &e) && e.Reason == ReasonUnreachable {
		lost := *e
		lost.Reason = ReasonLost
		return &lost
	}
	return err
}

// Kill ends the session at once, on our side with all processes that belong to
// it. A Read of Stdout that waits returns.
func (s *Session) Kill() {
	s.kill()
	<-s.done
	s.release()
}

// Shutdown closes Stdin, which asks an agent to end, and waits for that. When
// ctx is done first the session is killed. The result is Wait's.
func (s *Session) Shutdown(ctx context.Context) error {
	_ = s.Stdin.Close() // a broken pipe says what Wait says better
	select {
	case <-s.done:
	case <-ctx.Done():
		s.Kill()
	}
	return s.Wait()
}

func (s *Session) release() {
	s.once.Do(func() {
		if s.free != nil {
			s.free()
		}
	})
}
