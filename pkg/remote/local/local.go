// Package local runs sessions on this machine, through sh, with the same
// interface as remote/ssh: for the demo, for tests, and for a deploy server
// that is also a target.
package local

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// A Host is this machine under a name.
type Host struct {
	name     string
	sessions remote.Sessions
}

var _ remote.Host = (*Host)(nil)

// New returns this machine as a host called name.
func New(name string) *Host { return &Host{name: name} }

// Name returns the name that New was given.
func (h *Host) Name() string { return h.name }

// Start runs command by sh in a process group of its own, see remote.Host.
func (h *Host) Start(ctx context.Context, command string) (*remote.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := remote.StartProcess(remote.Process{
		Cmd: exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", command),
		Judge: func(status int, stderr string) error {
			return remote.ExitError(h.name, status, stderr)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("starting sh: %w", err)
	}
	h.sessions.Add(s)
	return s, nil
}

// Close kills the sessions that still run.
func (h *Host) Close() error {
	h.sessions.Kill()
	return nil
}
