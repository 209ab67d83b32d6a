package kolla

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxInventory bounds what ansible-inventory may print. A thousand hosts with
// Kolla's 175 groups and a hundred variables each take a tenth of it.
const maxInventory = 64 << 20 // bytes

// ErrInventory is returned for what is not the output of
// ansible-inventory --list.
var ErrInventory = errors.New("kolla: not an inventory as ansible-inventory --list prints it")

// An Unserved host is in Kolla's inventory and has no registry of ours: Kolla
// would look for its images on a port where nothing answers (R14).
type Unserved struct {
	Name    string `json:"name"`              // in the inventory
	Address string `json:"address,omitempty"` // ansible_host, when it is set
}

type inventory struct {
	groups   map[string]inventoryGroup
	hostvars map[string]hostVars
}

type inventoryGroup struct {
	Hosts    []string `json:"hosts"`
	Children []string `json:"children"`
}

type hostVars struct {
	Host    any `json:"ansible_host"` // a string, but a number is one typing error away
	SSHHost any `json:"ansible_ssh_host"`
}

// Precheck returns the hosts of Kolla's inventory that are not among served,
// sorted by name. inventoryJSON is what `ansible-inventory --list` printed, and
// served has the names or addresses of the hosts that have our registry. Kolla's
// hosts are those of its group baremetal, or all when there is no such group.
func Precheck(inventoryJSON []byte, served []string) ([]Unserved, error) {
	inv, err := parseInventory(inventoryJSON)
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(served))
	for _, s := range served {
		has[canonical(s)] = true
	}
	var missing []Unserved
	for _, name := range inv.kollaHosts() {
		address := inv.hostvars[name].address()
		if !has[canonical(name)] && (address == "" || !has[canonical(address)]) {
			missing = append(missing, Unserved{Name: name, Address: address})
		}
	}
	return missing, nil
}

func parseInventory(raw []byte) (inventory, error) {
	if len(raw) > maxInventory {
		return inventory{}, fmt.Errorf("%w: %d bytes", ErrInventory, len(raw))
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sections); err != nil {
		return inventory{}, fmt.Errorf("%w: %w", ErrInventory, err)
	}
	var meta struct {
		HostVars map[string]hostVars `json:"hostvars"`
	}
	section, ok := sections["_meta"]
	if !ok {
		return inventory{}, fmt.Errorf("%w: it has no _meta", ErrInventory)
	}
	if err := json.Unmarshal(section, &meta); err != nil {
		return inventory{}, fmt.Errorf("%w: _meta: %w", ErrInventory, err)
	}
	delete(sections, "_meta")
	inv := inventory{groups: make(map[string]inventoryGroup, len(sections)), hostvars: meta.HostVars}
	for name, section := range sections {
		var g inventoryGroup
		if err := json.Unmarshal(section, &g); err != nil {
			return inventory{}, fmt.Errorf("%w: group %q: %w", ErrInventory, clip(name), err)
		}
		inv.groups[name] = g
	}
	return inv, nil
}

// kollaHosts returns the hosts that Kolla deploys containers to, sorted.
func (inv inventory) kollaHosts() []string {
	found := make(map[string]bool)
	if _, ok := inv.groups["baremetal"]; ok {
		inv.collect("baremetal", make(map[string]bool), found)
	} else {
		for name := range inv.hostvars {
			found[name] = true
		}
		for _, g := range inv.groups {
			for _, name := range g.Hosts {
				found[name] = true
			}
		}
	}
	hosts := make([]string, 0, len(found))
	for name := range found {
		hosts = append(hosts, name)
	}
	slices.Sort(hosts)
	return hosts
}

// collect adds the hosts of a group and of its children to found. A group that
// is in visited was there before.
func (inv inventory) collect(group string, visited, found map[string]bool) {
	if visited[group] {
		return
	}
	visited[group] = true
	for _, host := range inv.groups[group].Hosts {
		found[host] = true
	}
	for _, child := range inv.groups[group].Children {
		inv.collect(child, visited, found)
	}
}

// address returns where Ansible connects to, if the variables say so.
func (v hostVars) address() string {
	for _, value := range []any{v.Host, v.SSHHost} {
		if s, ok := value.(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// canonical makes two spellings of a name or an address equal.
func canonical(s string) string {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
