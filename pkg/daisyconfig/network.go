package daisyconfig

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// readNetwork reads network.yml. What is wrong is gathered in doc.
func readNetwork(doc *pyyaml.Document) *Network {
	f := doc.Root().Fields()
	n := &Network{File: doc.File()}
	n.Subnets = readSubnets(doc, f.Need("networks", "a list of networks"))
	n.Interfaces = readInterfaces(f.Optional("interfaces"))
	n.InternalVIP = readAddress(f.Optional("internal_vip"))
	n.PublicVIP = readAddress(f.Optional("public_vip"))
	f.Get("network-config-metadata")
	f.Done()
	return n
}

func readSubnets(doc *pyyaml.Document, n *pyyaml.Node) []Subnet {
	var subnets []Subnet
	seen := uniques{}
	for _, item := range n.Items() {
		f := item.Fields()
		s := Subnet{Place: Place{doc.File(), item.Line()}}
		s.Name = readSubnetName(f.Need("name", "the name of a network"))
		seen.check(f.Get("name"), "network", s.Name)
		s.CIDR = readPrefix(f.Optional("cidr"))
		s.Gateway = readAddress(f.Optional("gateway"))
		s.Ranges = readRanges(f.Optional("ip_ranges"), s.CIDR)
		s.VLAN = readVLAN(f.Optional("vlan_id"))
		f.Optional("mapping").Text()
		f.Optional("network_name").Text()
		f.Done()
		subnets = append(subnets, s)
	}
	return subnets
}

// readSubnetName warns of a name that Daisy gives no meaning.
func readSubnetName(n *pyyaml.Node) string {
	name, ok := n.Text()
	switch name {
	case Management, Storage, External, PublicAPI, Tenant, Heartbeat:
	default:
		if ok {
			n.Warn("%s is none of Daisy's networks", quote(name))
		}
	}
	return name
}

func readPrefix(n *pyyaml.Node) netip.Prefix {
	text, ok := n.Text()
	if !ok {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		n.Want("an IPv4 network such as 10.20.11.0/24", quote(text))
		return netip.Prefix{}
	}
	return p.Masked()
}

func readRanges(n *pyyaml.Node, cidr netip.Prefix) []Range {
	var ranges []Range
	for _, item := range n.Items() {
		f := item.Fields()
		r := Range{
			Start: readAddress(f.Need("start", "an IPv4 address")),
			End:   readAddress(f.Need("end", "an IPv4 address")),
		}
		f.Done()
		if !r.Start.IsValid() || !r.End.IsValid() {
			continue
		}
		switch {
		case r.End.Less(r.Start):
			item.Refuse("the range ends at %v, before its start %v", r.End, r.Start)
		case cidr.IsValid() && !(cidr.Contains(r.Start) && cidr.Contains(r.End)):
			item.Refuse("the range %v to %v is not inside of cidr %v", r.Start, r.End, cidr)
		default:
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// readVLAN reads an id from 1 to 4094, in quotes or not; 0 is none.
func readVLAN(n *pyyaml.Node) int {
	if n.Kind() == pyyaml.Str {
		text, _ := n.Text()
		id, err := strconv.ParseUint(text, 10, 16)
		if err != nil || id > 4094 {
			n.Want("a VLAN id from 1 to 4094, or null", quote(text))
			return 0
		}
		return int(id)
	}
	id, ok := n.Int()
	if ok && (id < 0 || id > 4094) {
		n.Refuse("want a VLAN id from 1 to 4094, or null, got %d", id)
		return 0
	}
	return int(id)
}

func readInterfaces(n *pyyaml.Node) map[string]string {
	interfaces := make(map[string]string)
	seen := uniques{}
	for _, item := range n.Items() {
		f := item.Fields()
		name := readSubnetName(f.Need("name", "the name of a network"))
		seen.check(f.Get("name"), "interface of network", name)
		link := f.Need("interface", "the name of a network interface")
		if text, ok := link.Text(); ok && !isInterface(text) {
			link.Want("the name of a network interface", quote(text))
		} else if ok {
			interfaces[name] = text
		}
		f.Done()
	}
	return interfaces
}

// isInterface keeps what cannot be an interface of Linux, and templates of
// Ansible, out of the inventory.
func isInterface(text string) bool {
	const others = "._:@-"
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}
