package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/hostlist"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/local"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
)

// sshFlags are how hosts are logged into (R2). What a host list says of a host
// wins.
type sshFlags struct {
	user               string
	options            []string
	identity           string
	become             bool
	becomePasswordFile string
	acceptNew          bool

	becomePassword remote.Secret // of becomePasswordFile
}

func (f *sshFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.user, "ssh-user", "", "the `USER` to log in as; default: ssh_config's, else root")
	fs.StringArrayVar(&f.options, "ssh-option", nil, "`KEYWORD=VALUE` for ssh -o; may be repeated")
	fs.StringVar(&f.identity, "identity", "", "private key `FILE`; default: ssh's own choice")
	fs.BoolVar(&f.become, "become", false, "become root by sudo")
	fs.StringVar(&f.becomePasswordFile, "become-password-file", "", "`FILE` with sudo's password; - is standard input")
	fs.BoolVar(&f.acceptNew, "accept-new-host-keys", false, "take the key of a host that known_hosts lacks, and log it; never with passwords")
}

// localBecome is how the sender's agent on this machine becomes root.
func (f *sshFlags) localBecome() remote.Become {
	if f.become && os.Geteuid() != 0 {
		return remote.BecomeSudo
	}
	return remote.BecomeNone
}

// maxPassword bounds a password file, in bytes.
const maxPassword = 4096

func readPassword(file string, in io.Reader) (remote.Secret, error) {
	if file == "" {
		return remote.Secret{}, nil
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return remote.Secret{}, fmt.Errorf("--become-password-file: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
	if err != nil {
		return remote.Secret{}, fmt.Errorf("--become-password-file: %w", err)
	}
	text, _, _ := strings.Cut(string(b), "\n")
	text = strings.TrimSuffix(text, "\r")
	if len(b) > maxPassword || text == "" {
		return remote.Secret{}, fmt.Errorf("--become-password-file: want one line of at most %d bytes", maxPassword)
	}
	return remote.NewSecret(text), nil
}

// hosts makes the run's hosts of what the host flags mean.
func (f *sshFlags) hosts(ctx context.Context, std *streams, set *hostSet) ([]deploy.Host, error) {
	var err error
	if !f.becomePassword.IsSet() { // standard input has it once
		f.becomePassword, err = unlessDone(ctx, func() (remote.Secret, error) { return readPassword(f.becomePasswordFile, std.In) })
		if err != nil {
			return nil, err
		}
	}
	log := slog.New(slog.NewTextHandler(std.Err, nil))
	var hosts []deploy.Host
	if set.Targets == nil {
		addrs := lookUpAll(ctx, set.List)
		for i, h := range set.List {
			host, err := f.listed(ctx, h, addrs[i], log)
			if err != nil {
				return nil, err
			}
			hosts = append(hosts, host)
		}
		return hosts, nil
	}
	for _, t := range set.Targets.Endpoints() {
		host, err := f.daisy(ctx, t, log)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func (f *sshFlags) config(log *slog.Logger) ssh.Config {
	return ssh.Config{
		User: f.user, Identity: f.identity, Options: f.options,
		AcceptNewHostKeys: f.acceptNew, SendsSecrets: f.becomePassword.IsSet(), Log: log,
	}
}

func (f *sshFlags) mode(become bool) remote.Become {
	if become || f.become {
		return remote.BecomeSudo
	}
	return remote.BecomeNone
}

func (f *sshFlags) daisy(ctx context.Context, t daisyconfig.Target, log *slog.Logger) (deploy.Host, error) {
	c := f.config(log)
	c.Name, c.Address = t.Name, t.Address.String()
	if c.Name == "" {
		c.Name = c.Address
	}
	c.Password = remote.NewSecret(t.Password.Reveal())
	h, err := newSSHHost(ctx, c)
	if err != nil {
		return deploy.Host{}, err
	}
	host := deploy.Host{
		Name: t.Name, Address: t.Address, MACs: t.MACs, Remote: h,
		Become: f.mode(false), BecomePassword: f.becomePassword,
	}
	for _, role := range t.Roles {
		host.Roles = append(host.Roles, string(role))
	}
	return host, nil
}

func (f *sshFlags) listed(ctx context.Context, l hostlist.Host, addr netip.Addr, log *slog.Logger) (deploy.Host, error) {
	c := f.config(log)
	c.Name, c.Address, c.Port = l.Name, l.Address, int(l.Port)
	if l.User != "" {
		c.User = l.User
	}
	if l.Identity != "" {
		c.Identity = l.Identity
	}
	c.Options = append(append([]string{}, l.SSHOptions...), f.options...)
	c.Password = remote.NewSecret(l.Password.Reveal())
	password := f.becomePassword
	if !l.BecomePassword.IsZero() {
		password, c.SendsSecrets = remote.NewSecret(l.BecomePassword.Reveal()), true
	}
	host := deploy.Host{
		Name: l.Name, Address: addr, Roles: l.Roles,
		Become: f.mode(l.Become), BecomePassword: password, Preload: l.Preload,
	}
	if l.Local {
		host.Remote = local.New(l.Name)
		return host, nil
	}
	h, err := newSSHHost(ctx, c)
	if err != nil {
		return deploy.Host{}, err
	}
	host.Remote = h
	return host, nil
}

// lookUpAll finds the hosts' addresses, at once: a resolver that is dead takes
// its time for each. What is known to ssh alone has an invalid one.
func lookUpAll(ctx context.Context, list []hostlist.Host) []netip.Addr {
	addrs := make([]netip.Addr, len(list))
	var g errgroup.Group
	g.SetLimit(lookupsAtOnce)
	for i, h := range list {
		if addrs[i] = h.IP; addrs[i].IsValid() || h.Local { // localhost resolves, to no use
			continue
		}
		g.Go(func() error {
			addrs[i] = lookUp(ctx, h.Address)
			return nil
		})
	}
	_ = g.Wait() // none has an error
	return addrs
}

// lookupsAtOnce bounds what a resolver is asked at one time.
const lookupsAtOnce = 32

func lookUp(ctx context.Context, name string) netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil || len(addrs) == 0 {
		return netip.Addr{}
	}
	return addrs[0].Unmap()
}

// newSSHHost is ssh.New for the user root, unless a flag, the list or ssh_config
// names another.
func newSSHHost(ctx context.Context, c ssh.Config) (*ssh.Host, error) {
	if c.User == "" && os.Geteuid() != 0 && !ssh.ConfiguresUser(ctx, c) {
		c.User = "root"
	}
	return ssh.New(c)
}

// pairWith has the run give derived addresses their names.
func pairWith(cfg *deploy.Config, set *hostSet) {
	cfg.Pair = func(proofs []daisyconfig.Proof) (*daisyconfig.Targets, error) {
		return daisyconfig.Pair(set.Targets, proofs)
	}
	if set.Config.Network == nil {
		return
	}
	if net, ok := set.Config.Network.Subnet(daisyconfig.Management); ok {
		cfg.Management = net.CIDR
	}
}
