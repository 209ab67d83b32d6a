package daisyconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// A reservation is an address that Daisy gives to no host.
type reservation struct {
	address netip.Addr
	what    string
	isHost  bool // the deploy server, which may be a target by a given address
}

// reserved returns what derivation leaves out beside the hosts' own addresses.
func (c *Config) reserved() []reservation {
	out := []reservation{
		{c.DaisyIP, "daisy_ip", true},
		{c.DaisyGateway, "daisy_gateway", false},
	}
	if c.Network != nil {
		out = append(out,
			reservation{c.Network.InternalVIP, "internal_vip", false},
			reservation{c.Network.PublicVIP, "public_vip", false})
		for _, s := range c.Network.Subnets {
			out = append(out, reservation{s.Gateway, "gateway of " + s.Name, false})
		}
	}
	return slices.DeleteFunc(out, func(r reservation) bool { return !r.address.IsValid() })
}

// derive walks the MANAGEMENT ranges as Daisy does, sorted by their start, and
// takes as many unused addresses as there are hosts without one.
func (c *Config) derive(t *Targets) error {
	without := 0
	used := make(map[netip.Addr]bool)
	for _, h := range t.all {
		if h.Address.IsValid() {
			used[h.Address] = true
		} else {
			without++
		}
	}
	if without == 0 {
		return nil
	}
	management, ok := c.Network.Subnet(Management)
	if !ok || len(management.Ranges) == 0 {
		return c.noWay(t, ok)
	}
	for _, r := range c.reserved() {
		used[r.address] = true
	}
	used[management.CIDR.Addr()] = true
	used[lastAddress(management.CIDR)] = true
	t.pool = take(management.Ranges, used, without)
	if len(t.pool) < without {
		return tooSmall(t, management, without)
	}
	return nil
}

// take returns up to n addresses of the ranges that are not used.
func take(ranges []Range, used map[netip.Addr]bool, n int) []netip.Addr {
	sorted := slices.Clone(ranges)
	slices.SortStableFunc(sorted, func(a, b Range) int { return a.Start.Compare(b.Start) })
	var out []netip.Addr
	var next netip.Addr // ranges may overlap: never look back
	for _, r := range sorted {
		if !next.IsValid() || next.Less(r.Start) {
			next = r.Start
		}
		for ; next.IsValid() && !r.End.Less(next); next = next.Next() {
			if len(out) == n {
				return out
			}
			if !used[next] {
				out = append(out, next)
			}
		}
	}
	return out
}

// lastAddress is the broadcast address, invalid for networks without one.
func lastAddress(p netip.Prefix) netip.Addr {
	if !p.IsValid() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// noWay names each host that can get no address.
func (c *Config) noWay(t *Targets, hasManagement bool) error {
	why := "no network.yml"
	switch management, _ := c.Network.Subnet(Management); {
	case hasManagement:
		why = fmt.Sprintf("no ip_ranges in the MANAGEMENT network (%v)", management.Place)
	case c.Network != nil:
		why = "no MANAGEMENT network in " + c.Network.File
	}
	var errs []error
	for _, h := range t.all {
		if !h.Address.IsValid() {
			errs = append(errs, fmt.Errorf("%v: host %s has no way to an address: no 'ip' here, and %s",
				h.Place, nameOrNone(h.Name), why))
		}
	}
	return errors.Join(errs...)
}

func tooSmall(t *Targets, management Subnet, without int) error {
	fits := len(t.pool)
	for _, h := range t.all {
		if h.Address.IsValid() {
			continue
		}
		if fits == 0 {
			return fmt.Errorf("%v: the ip_ranges of MANAGEMENT have %d free addresses for %d hosts; none is left for %s (%v)",
				management.Place, len(t.pool), without, nameOrNone(h.Name), h.Place)
		}
		fits--
	}
	return nil
}

func nameOrNone(name string) string {
	if name == "" {
		return "(without a name)"
	}
	return name
}
