package daisyconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
)

// Evidence is what proved that a host has an address.
type Evidence string

// The two kinds of evidence.
const (
	ByMAC  Evidence = "mac_addresses"
	ByName Evidence = "hostname"
)

// A Proof is what the machine at an address said of itself over SSH.
type Proof struct {
	Address  netip.Addr
	Hostname string   // full or short
	MACs     []string // of all its interfaces
}

// A Conflict is evidence that speaks against itself or against the files. Its
// addresses are not paired with any name.
type Conflict struct {
	Addresses []netip.Addr
	Names     []string // the hosts concerned
	Problem   string
}

func (c *Conflict) Error() string { return c.Problem }

// Pair gives derived addresses to the hosts that prove to have them: by one of
// the host's mac_addresses, or by its own name, full or the first label. The
// result is new; t is not changed. Addresses that prove nothing stay in
// Derived. An address that was given otherwise is only held against the
// evidence.
//
// The error joins a *Conflict each; the result is good without them.
func Pair(t *Targets, proofs []Proof) (*Targets, error) {
	p := pairing{hosts: slices.Clone(t.all), claims: make(map[int][]claim)}
	for _, proof := range proofs {
		p.examine(proof, slices.Contains(t.pool, proof.Address))
	}
	p.settle()

	next := *t
	next.all, next.pool, next.proven = p.hosts, nil, true
	for _, a := range t.pool {
		if !slices.ContainsFunc(p.hosts, func(h Target) bool { return h.Address == a }) {
			next.pool = append(next.pool, a)
		}
	}
	next.nameTheNameless()
	if err := next.applyLimit(); err != nil {
		return nil, err
	}
	return &next, errors.Join(p.conflicts...)
}

// A pairing is Pair at work.
type pairing struct {
	hosts     []Target
	claims    map[int][]claim // by index into hosts
	conflicts []error
}

type claim struct {
	address netip.Addr
	by      Evidence
}

// examine finds whose machine a proof speaks of.
func (p *pairing) examine(proof Proof, isDerived bool) {
	byMAC, byName := p.matches(proof)
	switch {
	case len(byMAC) > 1:
		p.conflict(proof, byMAC, "%v has MAC addresses of %s", proof.Address, p.names(byMAC))
	case len(byMAC) == 1 && len(byName) == 1 && byMAC[0] != byName[0]:
		p.conflict(proof, append(byMAC, byName...), "%v has a MAC address of %s but calls itself %s",
			proof.Address, p.names(byMAC), p.names(byName))
	case len(byMAC) == 1:
		p.found(byMAC[0], proof, ByMAC, isDerived)
	case len(byName) == 1 && p.lacksItsMACs(byName[0], proof):
		p.conflict(proof, byName, "%v calls itself %s but has none of its mac_addresses (%v)",
			proof.Address, p.names(byName), p.hosts[byName[0]].Place)
	case len(byName) == 1:
		p.found(byName[0], proof, ByName, isDerived)
	case !isDerived:
		p.checkKnown(proof)
	}
}

// matches returns the hosts whose MAC, and whose name, the proof has. A full
// name that is equal wins over first labels.
func (p *pairing) matches(proof Proof) (byMAC, byName []int) {
	var exact []int
	for i, h := range p.hosts {
		if sharesMAC(h, proof) {
			byMAC = append(byMAC, i)
		}
		if h.Name == "" {
			continue
		}
		if hostname.Equal(h.Name, proof.Hostname) {
			exact = append(exact, i)
		}
		if hostname.Match(h.Name, proof.Hostname) {
			byName = append(byName, i)
		}
	}
	if len(exact) > 0 {
		byName = exact
	}
	return byMAC, byName
}

func sharesMAC(h Target, proof Proof) bool {
	return slices.ContainsFunc(proof.MACs, func(mac string) bool {
		return slices.Contains(h.MACs, strings.ToLower(mac))
	})
}

func (p *pairing) lacksItsMACs(i int, proof Proof) bool {
	h := p.hosts[i]
	return len(h.MACs) > 0 && len(proof.MACs) > 0 && !sharesMAC(h, proof)
}

// found notes that the machine at the proof's address is host i.
func (p *pairing) found(i int, proof Proof, by Evidence, isDerived bool) {
	h := p.hosts[i]
	switch {
	case h.Address == proof.Address:
	case h.Address.IsValid():
		p.conflict(proof, []int{i}, "%v proves to be %s by its %s, whose address is %v (%s)",
			proof.Address, h.Name, by, h.Address, h.Source)
	case !isDerived:
		p.conflict(proof, []int{i}, "%v is another host's address but proves to be %s by its %s",
			proof.Address, nameOrNone(h.Name), by)
	default:
		p.claims[i] = append(p.claims[i], claim{proof.Address, by})
	}
}

// checkKnown holds a given address against the MACs that the file demands.
func (p *pairing) checkKnown(proof Proof) {
	for i, h := range p.hosts {
		if h.Address == proof.Address && p.lacksItsMACs(i, proof) {
			p.conflict(proof, []int{i}, "%v is %s's address (%s) but has none of its mac_addresses (%v)",
				proof.Address, h.Name, h.Source, h.Place)
		}
	}
}

// settle pairs each host that is claimed at one address only.
func (p *pairing) settle() {
	for i := range p.hosts {
		claims := p.claims[i]
		switch len(claims) {
		case 0:
		case 1:
			p.hosts[i].Address, p.hosts[i].ProvenBy = claims[0].address, claims[0].by
		default:
			p.conflictOf(claims, i)
		}
	}
}

func (p *pairing) conflictOf(claims []claim, i int) {
	c := &Conflict{Names: []string{p.hosts[i].Name}}
	var places []string
	for _, one := range claims {
		c.Addresses = append(c.Addresses, one.address)
		places = append(places, fmt.Sprintf("%v (by its %s)", one.address, one.by))
	}
	c.Problem = fmt.Sprintf("%s is proven at more than one address: %s",
		nameOrNone(p.hosts[i].Name), strings.Join(places, ", "))
	p.conflicts = append(p.conflicts, c)
}

func (p *pairing) conflict(proof Proof, hosts []int, format string, args ...any) {
	c := &Conflict{Addresses: []netip.Addr{proof.Address}, Problem: fmt.Sprintf(format, args...)}
	for _, i := range hosts {
		c.Names = append(c.Names, p.hosts[i].Name)
	}
	p.conflicts = append(p.conflicts, c)
}

func (p *pairing) names(hosts []int) string {
	var names []string
	for _, i := range hosts {
		names = append(names, nameOrNone(p.hosts[i].Name))
	}
	return strings.Join(names, " and ")
}
