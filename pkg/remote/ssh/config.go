package ssh

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// Config says how to reach one host. It is not changed.
type Config struct {
	Name    string // what the operator calls the host; shown
	Address string // what ssh connects to: an address, a name or an alias of ssh_config; default Name
	User    string // default: ssh's
	Port    int    // default: ssh's

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

// defaultConnectTimeout is that of the whole program's table of timers. ssh
// applies it to the TCP handshake and to the key exchange.
const defaultConnectTimeout = 15 * time.Second

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = c.Name
	}
	if c.Name == "" {
		c.Name = c.Address
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.Program == "" {
		c.Program = "ssh"
	}
	if c.AskpassProgram == "" {
		c.AskpassProgram, _ = os.Executable() // checked where it is needed
	}
	return c
}

// Names may reach a shell: ssh expands %h and %r in the operator's
// ProxyCommand and Match exec. The first letter must not make an option.
var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}$`)
	option   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*[= ]`)
)

func (c Config) validate() error {
	if !isAddress(c.Address) && !hostName.MatchString(c.Address) {
		return fmt.Errorf("%q is no host name and no address", c.Address)
	}
	if c.User != "" && !userName.MatchString(c.User) {
		return fmt.Errorf("%q is no user name", c.User)
	}
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("%d is no port", c.Port)
	}
	if c.Password.IsSet() && c.AskpassProgram == "" {
		return errors.New("a password needs a program to give it to ssh")
	}
	if hasControl(c.Password.Reveal()) {
		return errors.New("a control character in the password")
	}
	return c.validateOptions()
}

func (c Config) validateOptions() error {
	for _, o := range c.Options {
		if !option.MatchString(o) || hasControl(o) {
			return fmt.Errorf("ssh option %q: want Keyword=value", o)
		}
	}
	for _, file := range []string{c.Identity, c.ConfigFile} {
		if strings.HasPrefix(file, "-") || hasControl(file) {
			return fmt.Errorf("%q is no file name", file)
		}
	}
	return nil
}

// isAddress reports whether s is an IP address; a zone must look like an
// interface's name.
func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && (a.Zone() == "" || hostName.MatchString(a.Zone()))
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// isStrict reports whether a host must be in known_hosts.
func (c Config) isStrict() bool {
	return !c.AcceptNewHostKeys || c.SendsSecrets || c.Password.IsSet()
}
