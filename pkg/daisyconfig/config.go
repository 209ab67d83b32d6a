package daisyconfig

import (
	"fmt"
	"net/netip"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// A Secret is a password that prints as ***.
type Secret = pyyaml.Secret

// A Warning is something in a file that is accepted but worth a look.
type Warning = pyyaml.Warning

// A Place is a line of a file.
type Place struct {
	File string
	Line int
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// A Role is what Daisy makes of a host.
type Role string

// The roles that deploy.yml knows.
const (
	ControllerLB Role = "CONTROLLER_LB"
	ControllerHA Role = "CONTROLLER_HA"
	Computer     Role = "COMPUTER"
)

// Config is what this program uses of deploy.yml and network.yml.
type Config struct {
	Adapter      string // ipmi or libvirt
	Hosts        []Host // as in the file; at least one
	Password     Secret // daisy_passwd, of the deploy server
	DaisyIP      netip.Addr
	DaisyGateway netip.Addr
	Network      *Network // nil without network.yml
	Warnings     []Warning
}

// A Host is one of deploy.yml's.
type Host struct {
	Name     string // "" when the file gives none
	Roles    []Role
	Address  netip.Addr // invalid when the file gives none
	MACs     []string   // lower case, with colons
	Password Secret
	IPMI     IPMI
	Place    Place
}

// IPMI is how a host's management controller is reached.
type IPMI struct {
	Address, User string
	Password      Secret
}

// The networks that network.yml knows.
const (
	Management = "MANAGEMENT"
	Storage    = "STORAGE"
	External   = "EXTERNAL"
	PublicAPI  = "PUBLICAPI"
	Tenant     = "TENANT"
	Heartbeat  = "HEARTBEAT"
)

// Network is network.yml.
type Network struct {
	File        string
	Subnets     []Subnet          // names are unique
	Interfaces  map[string]string // by the subnet's name
	InternalVIP netip.Addr        // invalid when the file gives none
	PublicVIP   netip.Addr        // likewise
}

// A Subnet is one of the networks of network.yml.
type Subnet struct {
	Name    string
	CIDR    netip.Prefix // invalid when the file gives none
	Gateway netip.Addr   // likewise
	Ranges  []Range
	VLAN    int // 0: untagged
	Place   Place
}

// A Range is what Daisy hands addresses out from, both ends among them.
// Start <= End.
type Range struct{ Start, End netip.Addr }

// Subnet returns the network of that name.
func (n *Network) Subnet(name string) (Subnet, bool) {
	if n != nil {
		for _, s := range n.Subnets {
			if s.Name == name {
				return s, true
			}
		}
	}
	return Subnet{}, false
}
