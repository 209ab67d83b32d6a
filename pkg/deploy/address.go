package deploy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// routeSource is the address of this machine by which packets to dst leave.
func routeSource(dst netip.Addr) (netip.Addr, error) {
	if !dst.IsValid() {
		return netip.Addr{}, errors.New("no host has an address")
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 9))) // sends nothing
	if err != nil {
		return netip.Addr{}, fmt.Errorf("finding the way to %v: %w", dst, err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
