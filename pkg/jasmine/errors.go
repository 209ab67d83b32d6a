package jasmine

import (
	"errors"
	"fmt"
)

// Errors of a session. Callers tell them apart with errors.Is.
var (
	// ErrNoClients ends a Serve that no client joined in time, or whose last
	// client was dropped.
	ErrNoClients = errors.New("jasmine: no client is left")

	// ErrMissing ends a Serve under OnMissingFail when some client did not join.
	ErrMissing = errors.New("jasmine: not all clients joined in time")

	// ErrServerClosed ends a Receive whose server closed the connection before
	// the end of the stream: it refused us, dropped us, or stopped.
	ErrServerClosed = errors.New("jasmine: the server closed the connection")

	// ErrSilent ends a Receive whose server sent nothing for too long.
	ErrSilent = errors.New("jasmine: nothing came from the server")

	// ErrMixed ends a Receive that got fitting packets from two UDP ports of
	// the server's address: another session there uses the same group.
	ErrMixed = errors.New("jasmine: two sessions at one address use the same group and port")
)

// A ProtocolError says that the peer broke the protocol.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "jasmine: " + e.What }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{What: fmt.Sprintf(format, args...)}
}

// An OutputError says that the stream could not be written: a full disk, or a
// reader that went away. It is this host's fault, not the server's.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return fmt.Sprintf("writing the stream: %v", e.Err) }

func (e *OutputError) Unwrap() error { return e.Err }
