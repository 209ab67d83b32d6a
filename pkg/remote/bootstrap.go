package remote

import (
	"context"
	"errors"
)

// Bootstrap starts our agent on h and returns the session with Stdout at the
// agent's first byte. It checks the architecture, becomes root by o.Become,
// and copies the program unless the host has it with the right SHA-256.
//
// ctx bounds Bootstrap, not the session. On failure the session is gone and
// the error is an *Error.
func Bootstrap(ctx context.Context, h Host, o Options) (*Session, Facts, error) {
	return nil, Facts{}, errors.New("not yet")
}
