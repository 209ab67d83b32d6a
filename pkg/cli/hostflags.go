package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
	"github.com/daisy-mcast/daisy-mcast/pkg/hostlist"
	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// hostFlags are the flags of every command that is for a set of hosts: Daisy's
// files or a host list, and what narrows them (R1).
type hostFlags struct {
	dha, network string
	addresses    []string // NAME=IP
	resolve      bool
	hosts        string // FILE or -
	limit        []string
}

// hostSet is what the flags mean: Config and Targets of Daisy's files, or List
// of a host list.
type hostSet struct {
	Config   *daisyconfig.Config  // nil with --hosts
	Targets  *daisyconfig.Targets // nil with --hosts
	List     []hostlist.Host      // nil with --dha
	Warnings []string
}

// AddFlags adds all of them.
func (f *hostFlags) AddFlags(fs *pflag.FlagSet) {
	f.addDaisyFlags(fs)
	fs.StringVar(&f.hosts, "hosts", "", "`FILE` with a list of hosts instead of Daisy's files; - is standard input")
	fs.StringSliceVar(&f.limit, "limit", nil, "only these hosts, by name or address, comma separated")
}

// addDaisyFlags adds those of Daisy's files alone.
func (f *hostFlags) addDaisyFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.dha, "dha", "", "Daisy's deploy.yml (`FILE`)")
	fs.StringVar(&f.network, "network", "", "Daisy's network.yml (`FILE`); default: the one beside deploy.yml")
	fs.StringArrayVar(&f.addresses, "address", nil, "the address of a host, `NAME=IP`; may be repeated")
	fs.BoolVar(&f.resolve, "resolve", false, "ask the system's resolver for hosts without an address")
}

// load reads what the flags, or else the DAISY_MCAST_* variables, name. Bad
// input is an ExitUsage.
func (f hostFlags) load(ctx context.Context, std *streams) (*hostSet, error) {
	f.fromEnvironment(os.Getenv)
	if err := f.check(); err != nil {
		return nil, err
	}
	var set *hostSet
	var err error
	if f.hosts != "" {
		set, err = f.loadList(ctx, std)
	} else {
		set, err = f.loadDaisy(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, usage(err, "")
	}
	return set, nil
}

// fromEnvironment fills in what no flag says. Ansible runs an inventory without
// flags.
func (f *hostFlags) fromEnvironment(getenv func(string) string) {
	if f.dha == "" && f.hosts == "" {
		f.dha, f.hosts = getenv("DAISY_MCAST_DHA"), getenv("DAISY_MCAST_HOSTS")
	}
	if f.dha == "" {
		return
	}
	if f.network == "" {
		f.network = getenv("DAISY_MCAST_NETWORK")
	}
	if given := getenv("DAISY_MCAST_ADDRESS"); given != "" && len(f.addresses) == 0 {
		f.addresses = strings.Split(given, ",")
	}
}

func (f *hostFlags) check() error {
	switch {
	case f.dha == "" && f.hosts == "":
		return usage(errors.New("no hosts are named"), "give --dha deploy.yml, or --hosts FILE")
	case f.dha != "" && f.hosts != "":
		return usage(errors.New("--dha and --hosts exclude each other"), "")
	case f.hosts != "" && (f.network != "" || len(f.addresses) > 0 || f.resolve):
		return usage(errors.New("--network, --address and --resolve are for Daisy's files; a host list has its own addresses"), "")
	}
	return nil
}

func (f *hostFlags) loadList(ctx context.Context, std *streams) (*hostSet, error) {
	list, err := unlessDone(ctx, func() (*hostlist.List, error) {
		if f.hosts == "-" {
			return hostlist.Read("standard input", std.In)
		}
		return hostlist.Load(f.hosts)
	})
	if err != nil {
		return nil, err
	}
	hosts, err := list.Limit(trimmed(f.limit))
	return &hostSet{List: hosts, Warnings: texts(list.Warnings)}, err
}

func (f *hostFlags) loadDaisy(ctx context.Context) (*hostSet, error) {
	given, err := parseAddresses(f.addresses)
	if err != nil {
		return nil, err
	}
	config, err := daisyconfig.Load(f.dha, f.networkFile())
	if err != nil {
		return nil, err
	}
	opt := daisyconfig.Options{Addresses: given, Limit: trimmed(f.limit)}
	if f.resolve {
		opt.Resolve = resolveHost
	}
	targets, err := config.Targets(ctx, opt)
	if err != nil {
		return nil, err
	}
	warnings := append(texts(config.Warnings), targets.Warnings...)
	return &hostSet{Config: config, Targets: targets, Warnings: warnings}, nil
}

// networkFile is the flag's, or network.yml beside deploy.yml when it is there.
func (f *hostFlags) networkFile() string {
	if f.network != "" {
		return f.network
	}
	beside := filepath.Join(filepath.Dir(f.dha), "network.yml")
	if _, err := os.Stat(beside); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return beside
}

// parseAddresses reads NAME=IP, each name and each address once.
func parseAddresses(given []string) (map[string]netip.Addr, error) {
	addresses := make(map[string]netip.Addr, len(given))
	for _, entry := range given {
		name, text, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok || hostname.Check(name) != nil {
			return nil, fmt.Errorf("--address %q: want NAME=IP", entry)
		}
		a, err := hostname.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("--address %q: want %w", entry, err)
		}
		for other, b := range addresses {
			if hostname.Equal(other, name) {
				return nil, fmt.Errorf("--address %q: %s was given as %v already", entry, name, b)
			}
			if a == b {
				return nil, fmt.Errorf("--address %q: %v was given to %s already", entry, a, other)
			}
		}
		addresses[name] = a
	}
	return addresses, nil
}

func trimmed(entries []string) []string {
	var out []string
	for _, e := range entries {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}

func texts(warnings []pyyaml.Warning) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, w.String())
	}
	return out
}

// printWarnings tells them on standard error.
func printWarnings(std *streams, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(std.Err, "warning: %s\n", w)
	}
}
