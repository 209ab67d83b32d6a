package daisyconfig

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// storageHosts is how many hosts Daisy gives to Kolla's storage group.
const storageHosts = 3

// An UnprovenError refuses an inventory: Kolla's roles must not land on the
// wrong machine.
type UnprovenError struct {
	Hosts []Target // those whose address is derived and not proven
}

func (e *UnprovenError) Error() string {
	names := make([]string, len(e.Hosts))
	for i, h := range e.Hosts {
		names[i] = fmt.Sprintf("%s (%v)", nameOrNone(h.Name), h.Place)
	}
	return "the network's ranges say which addresses the hosts have, not who has which; " +
		"unproven: " + strings.Join(names, ", ")
}

// An Inventory is Ansible's view of the hosts: groups and host variables.
type Inventory struct {
	Groups   []Group
	HostVars map[string]map[string]any
	Warnings []string
}

// A Group is one of Kolla's inventory groups.
type Group struct {
	Name  string
	Hosts []string
}

// Inventory returns the groups that a Kolla user edits, as Daisy fills them,
// and Kolla's network variables as host variables: group variables would lose
// to Kolla's own. It returns an *UnprovenError when a host's address is not
// known.
func (c *Config) Inventory(t *Targets) (*Inventory, error) {
	if unproven := t.Unproven(); len(unproven) > 0 {
		return nil, &UnprovenError{Hosts: unproven}
	}
	inv := &Inventory{Groups: groups(t.Hosts), HostVars: make(map[string]map[string]any)}
	for _, h := range t.Hosts {
		inv.HostVars[h.Name] = c.hostVars(h)
		if slices.Contains(h.Roles, ControllerHA) && !slices.Contains(h.Roles, ControllerLB) {
			inv.Warnings = append(inv.Warnings, fmt.Sprintf(
				"%v: host %s has CONTROLLER_HA alone, which puts it in none of Kolla's role groups", h.Place, h.Name))
		}
	}
	if _, listed := inv.HostVars["localhost"]; !listed {
		inv.HostVars["localhost"] = map[string]any{"ansible_connection": "local"}
	}
	return inv, nil
}

// groups maps Daisy's roles to Kolla's groups. Daisy has no role for
// monitoring; the group is there, empty, because Kolla's own refer to it.
func groups(hosts []Target) []Group {
	all, controllers, computers := []string{}, []string{}, []string{}
	for _, h := range hosts {
		all = append(all, h.Name)
		if slices.Contains(h.Roles, ControllerLB) {
			controllers = append(controllers, h.Name)
		}
		if slices.Contains(h.Roles, Computer) {
			computers = append(computers, h.Name)
		}
	}
	return []Group{
		{"control", controllers},
		{"network", controllers},
		{"compute", computers},
		{"storage", firstDistinct(storageHosts, controllers, computers)},
		{"monitoring", []string{}},
		{"deployment", []string{"localhost"}},
		{"baremetal", all},
	}
}

func firstDistinct(n int, lists ...[]string) []string {
	out := []string{}
	for _, name := range slices.Concat(lists...) {
		if len(out) < n && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// AddPasswords adds the hosts' passwords for ssh, as Ansible calls them. They are
// left out otherwise: inventories are printed and kept.
func (i *Inventory) AddPasswords(t *Targets) {
	for _, h := range t.Hosts {
		if !h.Password.IsZero() {
			i.HostVars[h.Name]["ansible_password"] = h.Password.Reveal()
		}
	}
}

// hostVars are the address, Daisy's roles and Kolla's variables for Daisy's
// networks.
func (c *Config) hostVars(h Target) map[string]any {
	roles := []string{}
	for _, role := range h.Roles {
		roles = append(roles, string(role))
	}
	vars := map[string]any{"ansible_host": h.Address.String(), "daisy_roles": roles}
	if c.Network == nil {
		return vars
	}
	for _, v := range []struct{ variable, network string }{
		{"network_interface", Management},
		{"tunnel_interface", Tenant},
		{"neutron_external_interface", External},
		{"kolla_external_vip_interface", PublicAPI},
		{"storage_interface", Storage},
		{"keepalived_interface", Heartbeat},
	} {
		if name := c.Network.link(v.network); name != "" {
			vars[v.variable] = name
		}
	}
	if vip := c.Network.InternalVIP; vip.IsValid() {
		vars["kolla_internal_vip_address"] = vip.String()
	}
	if vip := c.Network.PublicVIP; vip.IsValid() {
		vars["kolla_external_vip_address"] = vip.String()
	}
	return vars
}

// link returns the network's interface, tagged when the network has a VLAN;
// "" when network.yml names none.
func (n *Network) link(network string) string {
	name, ok := n.Interfaces[network]
	if !ok {
		return ""
	}
	if s, ok := n.Subnet(network); ok && s.VLAN != 0 {
		return fmt.Sprintf("%s.%d", name, s.VLAN)
	}
	return name
}

// MarshalJSON is what Ansible wants of `--list`.
func (i *Inventory) MarshalJSON() ([]byte, error) {
	list := make(map[string]any, len(i.Groups)+2)
	children := []string{"ungrouped"}
	for _, g := range i.Groups {
		list[g.Name] = map[string]any{"hosts": g.Hosts}
		children = append(children, g.Name)
	}
	list["all"] = map[string]any{"children": children}
	list["_meta"] = map[string]any{"hostvars": i.HostVars}
	return json.Marshal(list)
}
