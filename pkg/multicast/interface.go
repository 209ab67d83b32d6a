package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrNoInterface says that no interface of this host has the address asked for.
var ErrNoInterface = errors.New("multicast: no interface has this address")

// ErrNotGroup says that an address is not an IPv4 multicast group.
var ErrNotGroup = errors.New("multicast: not an IPv4 group")

// InterfaceOf returns the interface that has the address local. The whole of
// 127.0.0.0/8 belongs to the loopback interface, whatever it is configured with.
func InterfaceOf(local netip.Addr) (*net.Interface, error) {
	local = local.Unmap()
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	for i := range all {
		if local.IsLoopback() && all[i].Flags&net.FlagLoopback != 0 {
			return &all[i], nil
		}
		if hasAddr(&all[i], local) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrNoInterface, local)
}

func hasAddr(ifi *net.Interface, local netip.Addr) bool {
	addrs, err := ifi.Addrs()
	if err != nil {
		return false // gone since it was listed
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr() == local {
			return true
		}
	}
	return false
}

// CheckGroup returns nil if group is an IPv4 multicast address with a port.
func CheckGroup(group netip.AddrPort) error {
	if !group.Addr().Is4() || !group.Addr().IsMulticast() || group.Port() == 0 {
		return fmt.Errorf("%w: %v", ErrNotGroup, group)
	}
	return nil
}
