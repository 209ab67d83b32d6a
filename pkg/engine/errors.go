package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// Why an engine cannot be used; callers branch on these (fault 70).
var (
	// ErrNoEngine: no socket, or nothing listens on it.
	ErrNoEngine = errors.New("engine: no container engine answers")
	// ErrDown is an ErrNoEngine whose socket is there: an engine has run since the
	// machine's start, and ended.
	ErrDown = errors.New("engine: the container engine is not running")
	// ErrPermission: the socket is there, but not for this user.
	ErrPermission = errors.New("engine: no permission for the engine's socket")
	// ErrNotResponding: the engine takes connections or requests, but does not
	// answer within Config.Timeout.
	ErrNotResponding = errors.New("engine: the container engine does not respond")
	// ErrTooOld: its API is older than 1.24.
	ErrTooOld = errors.New("engine: the container engine is too old")
)

// Answers that are no fault of the engine.
var (
	// ErrNotFound: no such container or image.
	ErrNotFound = errors.New("engine: not found")
	// ErrConflict: the name is taken, or the image is in use.
	ErrConflict = errors.New("engine: conflict")
	// ErrReference: not an exact image reference; see [Engine].
	ErrReference = errors.New("engine: not an exact image reference")
)

// A RefusedError is the engine's own answer that it did not do what was asked.
type RefusedError struct {
	Message string // the engine's words, at most 2 KiB
}

func (e *RefusedError) Error() string { return "the engine says: " + e.Message }

func refused(message string) error {
	const maxMessage = 2 << 10
	message = strings.TrimPrefix(message, "Error response from daemon: ") // the client's
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	return &RefusedError{Message: message}
}

// dialError says what err from connecting to a unix socket means.
func dialError(socket string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: %w: %w", ErrNoEngine, socket, ErrDown, err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTSOCK):
		return fmt.Errorf("%w on %s: %w", ErrNoEngine, socket, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w", ErrPermission, err)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		// A full backlog gives EAGAIN: somebody listens, nobody accepts.
		return fmt.Errorf("%w on %s: %w", ErrNotResponding, socket, err)
	default:
		return fmt.Errorf("connecting to %s: %w", socket, err)
	}
}

// answerError turns an error of the Docker client into one of this package.
// The client drops the cause of a failed connection, so dialing is what
// dialError saw (see [socketDialer]), nil when the connection stood.
func answerError(ctx context.Context, err, dialing error) error {
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.Is(cause, ErrNotResponding):
		return cause
	case ctx.Err() != nil:
		return cause
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("%w: %w", ErrNotFound, refused(err.Error()))
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("%w: %w", ErrConflict, refused(err.Error()))
	case client.IsErrConnectionFailed(err) && dialing != nil:
		return dialing
	case client.IsErrConnectionFailed(err):
		// Somebody took the connection and ended: dialing saw nothing wrong.
		return fmt.Errorf("%w: %w: %w", ErrNoEngine, ErrDown, err)
	default:
		return refused(err.Error())
	}
}
