package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
	"github.com/daisy-mcast/daisy-mcast/pkg/jasmine"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/launch"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// A deployment keeps two clouds that are served from one machine apart. The
// unnamed one has the defaults; a name gives another directory, registry, ports
// and group, always the same ones.
type deployment struct {
	name  string
	shift uint16 // of ports and group, 0 for the unnamed one
}

var deploymentName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

func newDeployment(name string) (deployment, error) {
	if name == "" {
		return deployment{}, nil
	}
	if !deploymentName.MatchString(name) {
		return deployment{}, fmt.Errorf("--deployment %q: want lower-case letters, digits and dashes", name)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return deployment{name: name, shift: uint16(1 + h.Sum32()%200)}, nil
}

func (d deployment) apply(cfg *deploy.Config) {
	cfg.RegistryName = launch.DefaultName
	if d.name != "" {
		cfg.RegistryName += "-" + d.name
		cfg.BaseDir = path.Join(cfg.BaseDir, "deployments", d.name)
	}
}

// group moves a group address apart by its third byte.
func (d deployment) group(def netip.Addr) netip.Addr {
	b := def.As4()
	b[2] += byte(d.shift)
	return netip.AddrFrom4(b)
}

// carrierFlags are how the bytes travel.
type carrierFlags struct {
	protocol string
	group    string
	port     uint16
	ttl      int
	maxRate  bitRate
	slow     slowFlags
}

func (f *carrierFlags) AddFlags(fs *pflag.FlagSet) {
	protocols := agent.Protocols()
	fs.StringVar(&f.protocol, "protocol", protocols[0], "how the bytes travel: "+strings.Join(protocols, ", "))
	fs.StringVar(&f.group, "group", "", "the multicast `ADDRESS`; default 239.192.77.1, or 224.238.0.31 with jasmine")
	fs.Uint16Var(&f.port, "port", 0, "the `PORT`, TCP and UDP; default 18384, or 18383 with jasmine")
	fs.IntVar(&f.ttl, "ttl", jasmine.DefaultTTL, "how many routers the multicast may pass")
	fs.Var(&f.maxRate, "max-rate", "bound on the sending, as in 800M (bits a second)")
	f.slow.AddFlags(fs)
}

func (f *carrierFlags) apply(cfg *deploy.Config, d deployment) error {
	if !slices.Contains(agent.Protocols(), f.protocol) {
		return fmt.Errorf("--protocol %q: want one of %s", f.protocol, strings.Join(agent.Protocols(), ", "))
	}
	port, group := f.port, d.group(defaultGroup(f.protocol))
	if port == 0 {
		port = defaultPort(f.protocol) + 2*d.shift
	}
	if f.group != "" {
		var err error
		if group, err = netip.ParseAddr(f.group); err != nil || !group.Is4() || !group.IsMulticast() {
			return fmt.Errorf("--group %q is not an IPv4 multicast address", f.group)
		}
	}
	if f.ttl < 1 || f.ttl > 255 {
		return fmt.Errorf("--ttl %d: want 1 to 255", f.ttl)
	}
	cfg.Carrier.Protocol, cfg.Carrier.TTL = f.protocol, f.ttl
	cfg.Carrier.Group = netip.AddrPortFrom(group, port)
	cfg.Carrier.Sender = netip.AddrPortFrom(netip.Addr{}, port) // its address is found out later
	cfg.MaxRate = int64(f.maxRate)
	if _, err := f.slow.check(len(cfg.Hosts)); err != nil {
		return err
	}
	if f.slow.isSet() && f.protocol != "native" {
		return errors.New("--slow-hosts, --min-rate, --quorum and --dscp go with --protocol native")
	}
	cfg.Quorum = f.slow.quorum
	cfg.SlowHosts, cfg.MinRate, cfg.DSCP = f.slow.slowHosts, int64(f.slow.minRate), f.slow.dscp
	return nil
}

func defaultPort(protocol string) uint16 {
	if protocol == "native" {
		return transfer.DefaultPort
	}
	return jasmine.DefaultPort
}

func defaultGroup(protocol string) netip.Addr {
	if protocol == "native" {
		return transfer.DefaultGroup()
	}
	return jasmine.DefaultGroup()
}

// registryFlags are about the hosts' registries and the central one.
type registryFlags struct {
	mode, engine   string
	centralAddress string
	centralPort    uint16
	central        string // URL
	centralCA      string
	centralAuth    string
}

func (f *registryFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.mode, "registry-mode", string(launch.Auto), "how a host's registry runs: auto, container, service, process, or none to start nothing")
	fs.StringVar(&f.engine, "engine", string(engine.Auto), "auto, docker or podman")
	fs.StringVar(&f.centralAddress, "central-address", "", "the `ADDRESS` of the central registry on the sender; default: as --local-ip")
	fs.Uint16Var(&f.centralPort, "central-port", 0, "its `PORT`; default 4000")
	fs.StringVar(&f.central, "central", "", "`URL` of a registry that has the set already, instead of one of ours")
	fs.StringVar(&f.centralCA, "central-ca", "", "PEM `FILE` with the only certificate to trust there")
	fs.StringVar(&f.centralAuth, "central-auth-file", "", "`FILE` with user:password for it")
}

// defaultCentralPort is the hosts' port too: the addresses differ.
const defaultCentralPort = 4000

func (f *registryFlags) apply(cfg *deploy.Config, d deployment) error {
	for _, c := range []struct{ flag, value, allowed string }{
		{"--registry-mode", f.mode, "auto container service process none"},
		{"--engine", f.engine, "auto docker podman"},
	} {
		if !slices.Contains(strings.Fields(c.allowed), c.value) {
			return fmt.Errorf("%s %q: want one of %s", c.flag, c.value, c.allowed)
		}
	}
	cfg.RegistryMode, cfg.Engine, cfg.EngineTrust = f.mode, f.engine, true
	port := f.centralPort
	if port == 0 {
		port = defaultCentralPort + d.shift
	}
	var addr netip.Addr
	if f.centralAddress != "" {
		var err error
		if addr, err = netip.ParseAddr(f.centralAddress); err != nil || !addr.Is4() {
			return fmt.Errorf("--central-address %q is not an IPv4 address", f.centralAddress)
		}
	}
	cfg.Central = netip.AddrPortFrom(addr, port)
	return f.applyOwnCentral(cfg)
}

// applyOwnCentral is for an operator's own central registry.
func (f *registryFlags) applyOwnCentral(cfg *deploy.Config) error {
	if f.central == "" {
		if f.centralCA != "" || f.centralAuth != "" {
			return fmt.Errorf("--central-ca and --central-auth-file go with --central")
		}
		return nil
	}
	if !strings.HasPrefix(f.central, "https://") {
		return fmt.Errorf("--central %q: want https://HOST:PORT", f.central)
	}
	up := registry.Upstream{URL: strings.TrimSuffix(f.central, "/")}
	var err error
	if f.centralCA != "" {
		if up.CA, err = os.ReadFile(f.centralCA); err != nil {
			return fmt.Errorf("--central-ca: %w", err)
		}
	}
	if f.centralAuth != "" {
		b, err := os.ReadFile(f.centralAuth)
		if err != nil {
			return fmt.Errorf("--central-auth-file: %w", err)
		}
		user, password, ok := strings.Cut(strings.TrimSpace(string(b)), ":")
		if !ok {
			return fmt.Errorf("--central-auth-file %s: want user:password", f.centralAuth)
		}
		up.Username, up.Password = user, password
	}
	cfg.CentralIs = &up
	return nil
}

// kollaFlags are about the drop-in (R13, R14).
type kollaFlags struct {
	fallback    string
	globalsDir  string
	globalsFile string
	inventory   string
	bypass      bool
	partial     bool
}

func (f *kollaFlags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.fallback, "fallback", string(kolla.Uniform), "what Kolla uses when hosts lean on the central registry: uniform, per-host or all")
	fs.StringVar(&f.globalsDir, "globals-dir", "", "Kolla's globals.d `DIR`, to write "+kolla.FileName+" into")
	fs.StringVar(&f.globalsFile, "kolla-globals", "", "Kolla's globals.yml (`FILE`), only read; default: the one beside --globals-dir")
	fs.StringVar(&f.inventory, "kolla-inventory", "", "Kolla's inventory (`FILE`): its hosts that end without a registry are named; needs ansible-inventory")
	fs.BoolVar(&f.bypass, "bypass", false, "where a host failed and its engine can pull from the central registry, have Kolla pull there")
	fs.BoolVar(&f.partial, "partial", false, "the hosts are not all of the cloud's: what the drop-in says of others stays; --limit implies it")
}

func (f *kollaFlags) apply(cfg *deploy.Config, _ deployment) error {
	cfg.Fallback = kolla.Fallback(f.fallback)
	if !slices.Contains([]kolla.Fallback{kolla.Uniform, kolla.PerHost, kolla.All}, cfg.Fallback) {
		return fmt.Errorf("--fallback %q: want uniform, per-host or all", f.fallback)
	}
	cfg.GlobalsDir, cfg.GlobalsFile, cfg.Partial, cfg.Bypass = f.globalsDir, f.globalsFile, f.partial, f.bypass
	var err error
	if cfg.KollaInventory, err = readInventory(f.inventory); err != nil {
		return err
	}
	if f.globalsDir == "" {
		return nil
	}
	if info, err := os.Stat(f.globalsDir); err != nil || !info.IsDir() {
		return fmt.Errorf("--globals-dir %s is not a directory", f.globalsDir)
	}
	if cfg.GlobalsFile == "" {
		beside := path.Join(path.Dir(path.Clean(f.globalsDir)), "globals.yml")
		if _, err := os.Stat(beside); !errors.Is(err, os.ErrNotExist) {
			cfg.GlobalsFile = beside
		}
	}
	return nil
}

// inventoryTime bounds ansible-inventory, which may run an operator's scripts.
const inventoryTime = time.Minute

// readInventory has Ansible read an inventory, of whatever kind, and returns its
// JSON.
func readInventory(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), inventoryTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ansible-inventory", "-i", file, "--list")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("--kolla-inventory %s: ansible-inventory: %w: %s", file, err, strings.TrimSpace(complaint.String()))
	}
	if _, err := kolla.Precheck(out, nil); err != nil {
		return nil, fmt.Errorf("--kolla-inventory %s: %w", file, err)
	}
	return out, nil
}
