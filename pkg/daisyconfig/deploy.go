package daisyconfig

import (
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// readDeploy reads deploy.yml by the rules of Daisy's deploy/config/schemas.py
// and get_conf.py. What is wrong is gathered in doc.
func readDeploy(doc *pyyaml.Document) *Config {
	f := doc.Root().Fields()
	c := &Config{Adapter: readAdapter(f.Get("adapter"))}
	c.Password, _ = f.Need("daisy_passwd", "a string").Secret()
	c.DaisyGateway = readAddress(f.Need("daisy_gateway", "an IPv4 address"))
	c.DaisyIP = readAddress(f.Get("daisy_ip"))
	f.Get("ceph_disk_name").Text()
	f.Get("modules") // anything, null too: Daisy's own
	readDisks(f.Get("disks"))
	c.Hosts = readHosts(doc, f.Need("hosts", "a list of hosts"), c.Adapter)
	f.Done()
	return c
}

func readAdapter(n *pyyaml.Node) string {
	switch text, ok := n.Text(); {
	case n == nil:
		return "libvirt"
	case ok && text != "ipmi" && text != "libvirt":
		n.Want("ipmi or libvirt", quote(text))
		return ""
	default:
		return text
	}
}

// readDisks checks the least sizes in GB; nothing here uses them.
func readDisks(n *pyyaml.Node) {
	if n == nil {
		return
	}
	f := n.Fields()
	for _, disk := range []struct {
		name  string
		least int64
	}{{"daisy", 50}, {"controller", 110}, {"compute", 110}, {"ceph", 110}} {
		size := f.Get(disk.name)
		if gb, ok := size.Int(); ok && gb < disk.least {
			size.Refuse("want at least %d (GB), got %d", disk.least, gb)
		}
	}
	f.Done()
}

func readHosts(doc *pyyaml.Document, n *pyyaml.Node, adapter string) []Host {
	items := n.Items()
	if n.Kind() == pyyaml.Sequence && len(items) == 0 {
		n.Want("at least one host", "an empty list")
	}
	hosts := make([]Host, 0, len(items))
	seen := uniques{}
	for _, item := range items {
		hosts = append(hosts, readHost(doc, item, adapter, seen))
	}
	return hosts
}

func readHost(doc *pyyaml.Document, n *pyyaml.Node, adapter string, seen uniques) Host {
	f := n.Fields()
	h := Host{Place: Place{doc.File(), n.Line()}}
	h.Name = readName(f.Get("name"))
	seen.check(f.Get("name"), "host name", strings.ToLower(h.Name))
	h.Roles = readRoles(f.Need("roles", "a list of roles"))
	h.Address = readAddress(f.Optional("ip"))
	if h.Address.IsValid() {
		seen.check(f.Get("ip"), "address", h.Address.String())
	}
	h.Password, _ = f.Optional("password").Secret()
	h.MACs = readMACs(f.Get("mac_addresses"), seen)
	h.IPMI = readIPMI(f, adapter == "ipmi")
	f.Get("template").Text()
	f.Done()
	return h
}

func readRoles(n *pyyaml.Node) []Role {
	roles := []Role{}
	for _, item := range n.Items() {
		text, ok := item.Text()
		switch role := Role(text); role {
		case ControllerLB, ControllerHA, Computer:
			roles = append(roles, role)
		default:
			if ok {
				item.Want("CONTROLLER_LB, CONTROLLER_HA or COMPUTER", quote(text))
			}
		}
	}
	return roles
}

// readMACs reads addresses of six colon-separated bytes, Daisy's pattern. One
// that two hosts have proves nothing: a warning, for Daisy accepts it.
func readMACs(n *pyyaml.Node, seen uniques) []string {
	var macs []string
	for _, item := range n.Items() {
		text, ok := item.Text()
		if !ok {
			continue
		}
		if !isMAC(text) {
			item.Want("a MAC address such as 52:54:00:12:34:56", quote(text))
			continue
		}
		mac := strings.ToLower(text)
		if line, ok := seen.before("MAC", mac, item.Line()); ok {
			item.Warn("also on line %d; it will prove neither host", line)
		}
		macs = append(macs, mac)
	}
	return macs
}

func isMAC(text string) bool {
	if len(text) != len("52:54:00:12:34:56") {
		return false
	}
	for i := range len(text) {
		if i%3 == 2 {
			if text[i] != ':' {
				return false
			}
		} else if !strings.ContainsRune("0123456789abcdefABCDEF", rune(text[i])) {
			return false
		}
	}
	return true
}

// readIPMI reads the three fields that adapter ipmi requires.
func readIPMI(f *pyyaml.Fields, required bool) IPMI {
	get := func(key, want string) *pyyaml.Node {
		if required {
			return f.Need(key, want+", because the adapter is ipmi")
		}
		return f.Get(key)
	}
	var i IPMI
	i.Address, _ = get("ipmi_ip", "an IPv4 address").Text()
	i.User, _ = get("ipmi_user", "a string").Text()
	i.Password, _ = get("ipmi_pass", "a string").Secret()
	return i
}
