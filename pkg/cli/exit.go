package cli

import "errors"

// The exit codes of every command.
const (
	ExitOK          = 0   // done; of distribute: every host serves the images itself
	ExitInternal    = 1   // a fault of ours, or of the machine
	ExitUsage       = 2   // bad usage, bad input or no way to the hosts; nothing was changed
	ExitCentral     = 3   // done, but some hosts lean on the central registry
	ExitFailed      = 4   // some host failed, or its engine has not got what --preload asked for
	ExitInterrupted = 130 // ended by SIGINT or SIGTERM
)

// An ExitError ends the program with Code. Err, when not nil, is printed, and
// Hint after it: what to do about it.
type ExitError struct {
	Code int
	Err  error
	Hint string
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// usage makes err one of bad usage or bad input, unless it is that of a signal which came
// while the input was waited for.
func usage(err error, hint string) error {
	if errors.Is(err, errInterrupted) {
		return &ExitError{Code: ExitInterrupted, Err: err}
	}
	return &ExitError{Code: ExitUsage, Err: err, Hint: hint}
}
