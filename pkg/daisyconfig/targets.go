package daisyconfig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
)

// maxLookups bounds how many names are resolved at once.
const maxLookups = 16

// A Source says where an address comes from.
type Source string

// The sources, the strongest first.
const (
	FromOption   Source = "option"     // --address NAME=IP
	FromFile     Source = "deploy.yml" // ip
	FromResolver Source = "resolver"   // the system's, on request
	Derived      Source = "derived"    // from the MANAGEMENT ranges
)

// A Target is one host of a run: either of deploy.yml, by name, or a derived
// address whose name is not known yet.
type Target struct {
	Name     string // "" when not known
	Roles    []Role
	Address  netip.Addr // invalid: derived, and which one is not proven
	Source   Source
	ProvenBy Evidence // of a derived address; "" before Pair
	MACs     []string
	Password Secret
	Place    Place // of the host in deploy.yml; zero for a nameless address
}

// Targets are the hosts that a run is for.
type Targets struct {
	// Hosts has one element for each host, in the order of deploy.yml.
	Hosts []Target
	// Derived are the addresses among which the hosts without one are.
	Derived  []netip.Addr
	Warnings []string

	all    []Target     // hosts before the limit
	pool   []netip.Addr // derived addresses before the limit
	limit  []string
	proven bool // Pair has spoken
}

// Options say how hosts get addresses and which of them are wanted.
type Options struct {
	// Addresses are given by hand, by host name. They win over deploy.yml.
	Addresses map[string]netip.Addr
	// Resolve, when not nil, is asked for hosts that have no address yet. An
	// invalid Addr without an error means that it knows none.
	Resolve func(ctx context.Context, name string) (netip.Addr, error)
	// Limit keeps these names or addresses; empty: all hosts.
	Limit []string
}

// Targets returns the hosts of deploy.yml with their addresses. Hosts that get
// none another way share as many derived addresses as there are such hosts.
func (c *Config) Targets(ctx context.Context, opt Options) (*Targets, error) {
	t := &Targets{limit: opt.Limit}
	if err := checkAddressNames(c.Hosts, opt.Addresses); err != nil {
		return nil, err
	}
	if err := t.assign(ctx, c.Hosts, opt); err != nil {
		return nil, err
	}
	if err := c.derive(t); err != nil {
		return nil, err
	}
	t.nameTheNameless()
	if err := t.checkUnique(); err != nil {
		return nil, err
	}
	t.warnOfReserved(c)
	return t, t.applyLimit()
}

// Endpoints returns who is to be contacted: the hosts whose address is known,
// then one nameless target for each derived address.
func (t *Targets) Endpoints() []Target {
	var out []Target
	listed := make(map[netip.Addr]bool)
	for _, h := range t.Hosts {
		if h.Address.IsValid() {
			out = append(out, h)
			listed[h.Address] = true
		}
	}
	for _, a := range t.Derived {
		if !listed[a] {
			out = append(out, Target{Address: a, Source: Derived})
		}
	}
	return out
}

// Unproven returns the hosts whose address is not known.
func (t *Targets) Unproven() []Target {
	var out []Target
	for _, h := range t.Hosts {
		if !h.Address.IsValid() {
			out = append(out, h)
		}
	}
	return out
}

func checkAddressNames(hosts []Host, given map[string]netip.Addr) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		known := slices.ContainsFunc(hosts, func(h Host) bool {
			return h.Name != "" && hostname.Equal(h.Name, name)
		})
		if !known {
			errs = append(errs, fmt.Errorf("--address %s=%v: no such host in deploy.yml", name, given[name]))
		}
	}
	return errors.Join(errs...)
}

// assign gives each host the address that is known for it, if any.
func (t *Targets) assign(ctx context.Context, hosts []Host, opt Options) error {
	for _, h := range hosts {
		target := Target{
			Name: h.Name, Roles: h.Roles, MACs: h.MACs, Password: h.Password, Place: h.Place,
			Address: h.Address, Source: FromFile,
		}
		for name, a := range opt.Addresses {
			if h.Name != "" && hostname.Equal(h.Name, name) {
				target.Address, target.Source = a, FromOption
			}
		}
		if !target.Address.IsValid() {
			target.Source = Derived
		}
		t.all = append(t.all, target)
	}
	if opt.Resolve == nil {
		return nil
	}
	return t.resolve(ctx, opt.Resolve)
}

// resolve asks for all hosts that have a name and no address, several at once.
// What cannot be resolved may still be derived.
func (t *Targets) resolve(ctx context.Context, lookup func(context.Context, string) (netip.Addr, error)) error {
	var group errgroup.Group
	group.SetLimit(maxLookups)
	errs := make([]error, len(t.all))
	for i := range t.all {
		h := &t.all[i]
		if h.Name == "" || h.Address.IsValid() {
			continue
		}
		group.Go(func() error {
			var a netip.Addr
			if a, errs[i] = lookup(ctx, h.Name); errs[i] == nil && a.IsValid() {
				h.Address, h.Source = a, FromResolver
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("resolving host names: %w", err)
	}
	for i, err := range errs {
		if err != nil {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%v: resolving %s: %v", t.all[i].Place, t.all[i].Name, err))
		}
	}
	return nil
}

// nameTheNameless gives hosts without a name Daisy's word for their address.
func (t *Targets) nameTheNameless() {
	for i, h := range t.all {
		if h.Name == "" && h.Address.IsValid() {
			t.all[i].Name = hostname.ForAddress(h.Address)
		}
	}
}

// checkUnique refuses two hosts with one address or name, wherever they got it.
func (t *Targets) checkUnique() error {
	var errs []error
	byAddress, byName := make(map[netip.Addr]Target), make(map[string]Target)
	for _, h := range t.all {
		if first, ok := byAddress[h.Address]; ok {
			errs = append(errs, fmt.Errorf("%v: host %s has the address %v (%s), and so has %s at %v (%s)",
				h.Place, h.Name, h.Address, h.Source, first.Name, first.Place, first.Source))
		} else if h.Address.IsValid() {
			byAddress[h.Address] = h
		}
		name := strings.ToLower(h.Name)
		if first, ok := byName[name]; ok && name != "" {
			errs = append(errs, fmt.Errorf("%v: host name %s was given at %v already",
				h.Place, h.Name, first.Place))
		} else {
			byName[name] = h
		}
	}
	return errors.Join(errs...)
}

// warnOfReserved warns of hosts with the address of a gateway or a VIP.
func (t *Targets) warnOfReserved(c *Config) {
	for _, r := range c.reserved() {
		for _, h := range t.all {
			if h.Address == r.address && !r.isHost {
				t.Warnings = append(t.Warnings, fmt.Sprintf("%v: host %s has the address %v, which is the %s",
					h.Place, h.Name, h.Address, r.what))
			}
		}
	}
}
