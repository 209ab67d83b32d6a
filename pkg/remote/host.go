package remote

import "context"

// A Host is a machine on which sessions can be started. Its methods may be
// called from several goroutines.
type Host interface {
	// Name is what the operator calls the host.
	Name() string

	// Start runs command by the login shell of the host's user. Whatever that
	// shell is - csh and fish too - it must understand command: see [Command].
	//
	// Start returns as soon as the session's process runs; that the host cannot
	// be reached shows in the session's Stdout (end of file) and Wait. As for
	// net.Dialer.DialContext, ctx bounds Start only and the session outlives it.
	Start(ctx context.Context, command string) (*Session, error)

	// Close kills the sessions that still run and frees what the host holds.
	Close() error
}
