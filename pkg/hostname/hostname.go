// Package hostname says which names and addresses of hosts are acceptable, for
// every file that has them. What passes here can stand in an argument list, a
// shell script, an inventory or a table.
package hostname

import (
	"errors"
	"net/netip"
	"strings"
)

// maxLength is DNS's bound of a name, RFC 1035 section 2.3.4.
const maxLength = 253

// Errors that Check and ParseAddress return; their text fits after "want".
var (
	ErrName = errors.New("a host name: letters, digits, '.', '_' and '-', beginning with a letter, digit or '_'")
	ErrIPv6 = errors.New("an IPv4 address; multicast here is IPv4 only")
	ErrIPv4 = errors.New("an IPv4 address")
)

// Check returns ErrName unless name is made of harmless characters: no space,
// no shell metacharacter, nothing that a program could take for an option.
func Check(name string) error {
	if name == "" || len(name) > maxLength {
		return ErrName
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case (c == '-' || c == '.') && i > 0:
		default:
			return ErrName
		}
	}
	return nil
}

// ParseAddress reads the IPv4 address of one host. It returns ErrIPv6 for an
// IPv6 literal, and ErrIPv4 for what is no address or none of a single host.
func ParseAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case err == nil && !a.Is4():
		return netip.Addr{}, ErrIPv6
	case err != nil || strings.HasPrefix(text, "["),
		a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, ErrIPv4
	}
	return a, nil
}

// Equal reports whether two names are the same; case does not matter.
func Equal(a, b string) bool { return strings.EqualFold(a, b) }

// Match reports whether a host that calls itself own can be the one listed as
// name: they are equal, or one is the first label of the other.
func Match(name, own string) bool {
	if Equal(name, own) {
		return name != ""
	}
	nameLabel, _, nameIsLong := strings.Cut(name, ".")
	ownLabel, _, ownIsLong := strings.Cut(own, ".")
	return nameIsLong != ownIsLong && nameLabel != "" && Equal(nameLabel, ownLabel)
}

// ForAddress is the name of a host that was given none: host-10-20-11-3, as
// Daisy calls it.
func ForAddress(a netip.Addr) string {
	return "host-" + strings.ReplaceAll(a.String(), ".", "-")
}
