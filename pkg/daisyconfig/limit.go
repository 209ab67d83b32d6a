package daisyconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
)

// applyLimit sets Hosts and Derived from all, pool and limit.
//
// A name that has no address yet keeps the whole pool, for it may be any of
// them, until Pair has spoken. A derived address by itself is a host of its
// own, whose name is not known.
func (t *Targets) applyLimit() error {
	if len(t.limit) == 0 {
		t.Hosts, t.Derived = t.all, t.pool
		return nil
	}
	t.Hosts, t.Derived = nil, nil
	var errs []error
	wanted := make(map[int]bool)
	var nameless []netip.Addr
	needsPool := false
	for _, entry := range t.limit {
		i := slices.IndexFunc(t.all, func(h Target) bool { return h.is(entry) })
		a, _ := netip.ParseAddr(entry)
		switch {
		case i >= 0:
			wanted[i] = true
			needsPool = needsPool || !t.all[i].Address.IsValid()
		case slices.Contains(t.pool, a):
			nameless = append(nameless, a)
		default:
			errs = append(errs, fmt.Errorf("--limit %s: no host has that name or address", quote(entry)))
		}
	}
	for i, h := range t.all {
		if wanted[i] {
			t.Hosts = append(t.Hosts, h)
		}
	}
	for _, a := range t.pool {
		if slices.Contains(nameless, a) {
			t.Hosts = append(t.Hosts, Target{Roles: []Role{}, Address: a, Source: Derived})
		} else if needsPool && !t.proven {
			t.Derived = append(t.Derived, a)
		}
	}
	return errors.Join(errs...)
}

func (h Target) is(entry string) bool {
	if h.Address.IsValid() && h.Address.String() == entry {
		return true
	}
	return h.Name != "" && hostname.Equal(h.Name, entry)
}
