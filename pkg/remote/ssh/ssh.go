// Package ssh runs sessions on hosts through the system's ssh, so that the
// operator's configuration, agent, jump hosts and known_hosts hold.
//
// [New] makes a remote.Host of a [Config]. A password never appears in the
// arguments or the environment of a process: ssh asks for it by SSH_ASKPASS,
// and the helper that it starts (our own binary, see [Askpass]) gets it from a
// socket that only this user can open, once, and only for the target's own
// prompt.
//
// It needs OpenSSH 7.6 or newer.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// A Host is a host behind ssh.
type Host struct {
	config   Config
	sessions remote.Sessions
}

var _ remote.Host = (*Host)(nil)

// New returns the host that c describes, without connecting. A name, address,
// user or option that ssh or a shell could take for something else is refused
// with remote.ReasonConfig.
func New(c Config) (*Host, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, &remote.Error{Host: c.Name, Reason: remote.ReasonConfig, Err: err}
	}
	return &Host{config: c}, nil
}

// Name returns the operator's name for the host.
func (h *Host) Name() string { return h.config.Name }

// Start runs command on the host, see remote.Host. Each session is a
// connection of its own.
func (h *Host) Start(ctx context.Context, command string) (*remote.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := h.start(ctx, command)
	if err == nil {
		h.sessions.Add(s)
		return s, nil
	}
	var known *remote.Error
	if errors.As(err, &known) || ctx.Err() != nil {
		return nil, err
	}
	return nil, &remote.Error{Host: h.config.Name, Reason: remote.ReasonConfig, Err: err}
}

func (h *Host) start(ctx context.Context, command string) (*remote.Session, error) {
	c := h.config
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Program, c.arguments(command)...)
	cmd.Env = c.environ("")
	process := remote.Process{Cmd: cmd, Judge: h.judge}
	if c.Log != nil && !c.isStrict() {
		process.Stderr = &keyLog{log: c.Log, host: c.Name}
	}
	if !c.Password.IsSet() {
		return startSSH(process)
	}
	who, err := c.resolve(ctx)
	if err != nil {
		return nil, err
	}
	desk, err := openDesk(who, c.Password)
	if err != nil {
		return nil, fmt.Errorf("opening the socket for the password: %w", err)
	}
	cmd.Env = c.environ(desk.socket)
	process.Started, process.Ended = desk.open, desk.close
	s, err := startSSH(process)
	if err != nil {
		desk.close()
	}
	return s, err
}

func startSSH(p remote.Process) (*remote.Session, error) {
	s, err := remote.StartProcess(p)
	if err != nil {
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	return s, nil
}

// judge says why ssh ended. It passes the command's status on, except that 255
// is its own.
func (h *Host) judge(status int, stderr string) error {
	if status != 255 {
		return remote.ExitError(h.config.Name, status, stderr)
	}
	reason, detail := classify(stderr)
	return &remote.Error{Host: h.config.Name, Reason: reason, Detail: detail}
}

// Close kills the sessions that still run.
func (h *Host) Close() error {
	h.sessions.Kill()
	return nil
}
