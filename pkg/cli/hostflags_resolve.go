package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// lookupTimeout bounds one name's lookup: a resolver that is dead answers
// nothing for 5 s a try.
const lookupTimeout = 5 * time.Second

// resolveHost asks the system's resolver for a host's only IPv4 address. An
// unknown name has none.
func resolveHost(ctx context.Context, name string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}
	return onlyAddress(found)
}

// onlyAddress refuses what cannot be told apart, and the loopback address that
// many systems give to their own name.
func onlyAddress(found []netip.Addr) (netip.Addr, error) {
	var only netip.Addr
	for _, a := range found {
		a = a.Unmap()
		if only.IsValid() && a != only {
			return netip.Addr{}, fmt.Errorf("it has several addresses, %v and %v; use --address", only, a)
		}
		only = a
	}
	if only.IsLoopback() {
		return netip.Addr{}, fmt.Errorf("%v is a loopback address; use --address", only)
	}
	return only, nil
}
