package hostlist

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

func readHosts(root *pyyaml.Node) []Host {
	list := root
	if root.Kind() == pyyaml.Mapping {
		f := root.Fields()
		list = f.Need("hosts", "a list of hosts")
		f.Done()
	}
	items := list.Items()
	if list.Kind() == pyyaml.Sequence && len(items) == 0 {
		list.Want("at least one host", "an empty list")
	}
	hosts := make([]Host, 0, len(items))
	names, addresses := make(map[string]int), make(map[string]int)
	for _, item := range items {
		h := readHost(item)
		refuseSecond(item, names, "host name", h.Name)
		refuseSecond(item, addresses, "address", h.Address)
		hosts = append(hosts, h)
	}
	return hosts
}

// refuseSecond refuses a value that was given on another line already.
func refuseSecond(n *pyyaml.Node, seen map[string]int, kind, value string) {
	key := strings.ToLower(value)
	if first, ok := seen[key]; ok && key != "" {
		n.Refuse("%s %s was given on line %d already", kind, value, first)
		return
	}
	seen[key] = n.Line()
}

func readHost(n *pyyaml.Node) Host {
	f := n.Fields()
	h := Host{Line: n.Line()}
	h.Name = readName(f.Optional("name"))
	h.Address, h.IP = readAddress(f.Optional("address"))
	h.Local = readConnection(f.Optional("connection"))
	h.User = readUser(f.Optional("user"))
	h.Port = readPort(f.Optional("port"))
	h.Identity = readWord(f.Optional("identity"), "the path of a private key")
	h.SSHOptions = readOptions(f.Optional("ssh_options"))
	h.Become, _ = f.Optional("become").Bool()
	h.BecomePassword, _ = f.Optional("become_password").Secret()
	h.Password, _ = f.Optional("password").Secret()
	for _, role := range f.Optional("roles").Items() {
		h.Roles = append(h.Roles, readWord(role, "the name of a role"))
	}
	h.Preload = readPatterns(f.Optional("preload"))
	f.Done()
	if n.Kind() == pyyaml.Mapping && f.Optional("name") == nil && f.Optional("address") == nil {
		n.Want("a name or an address", "neither")
	}
	return withDefaults(h)
}

// withDefaults makes a name or an address stand for the one that is missing.
func withDefaults(h Host) Host {
	switch {
	case h.Address == "":
		h.Address = h.Name
		h.IP, _ = hostname.ParseAddress(h.Name)
	case h.Name == "" && h.IP.IsValid():
		h.Name = hostname.ForAddress(h.IP)
	case h.Name == "":
		h.Name = h.Address
	}
	return h
}

func readName(n *pyyaml.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	if _, err := hostname.ParseAddress(text); errors.Is(err, hostname.ErrIPv6) {
		n.Want(err.Error(), "an IPv6 address")
		return ""
	}
	if err := hostname.Check(text); err != nil {
		n.Want(err.Error(), quote(text))
		return ""
	}
	return text
}

// readAddress reads an IPv4 address, or a name that ssh can resolve.
func readAddress(n *pyyaml.Node) (string, netip.Addr) {
	text := readName(n)
	if text == "" {
		return "", netip.Addr{}
	}
	ip, err := hostname.ParseAddress(text)
	if err != nil && strings.Trim(text, "0123456789.") == "" {
		n.Want(err.Error(), quote(text))
	}
	return text, ip
}

// readConnection reports whether the host is this machine.
func readConnection(n *pyyaml.Node) bool {
	text, ok := n.Text()
	if ok && text != "ssh" && text != "local" {
		n.Want("ssh or local", quote(text))
	}
	return text == "local"
}

// readUser reads a login name. An @ is that of a directory's users; the first
// character cannot make it an option.
func readUser(n *pyyaml.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	if hostname.Check(strings.ReplaceAll(text, "@", ".")) != nil {
		n.Want("a user name: letters, digits, '.', '_', '-' and '@', beginning with a letter, digit or '_'", quote(text))
		return ""
	}
	return text
}

// readPort takes a string of digits too: templates make them.
func readPort(n *pyyaml.Node) uint16 {
	if n == nil {
		return 0
	}
	var port int64
	if n.Kind() == pyyaml.Str {
		text, _ := n.Text()
		port, _ = strconv.ParseInt(text, 10, 32)
	} else {
		var ok bool
		if port, ok = n.Int(); !ok {
			return 0
		}
	}
	if port < 1 || port > 65535 {
		n.Refuse("want a port from 1 to 65535")
		return 0
	}
	return uint16(port)
}

// readOptions reads what ssh takes after -o.
func readOptions(n *pyyaml.Node) []string {
	var options []string
	for _, item := range n.Items() {
		text := readWord(item, "an option of ssh, Key=Value")
		key, _, found := strings.Cut(text, "=")
		if text != "" && (!found || hostname.Check(key) != nil) {
			item.Want("an option of ssh, Key=Value", quote(text))
			continue
		}
		options = append(options, text)
	}
	return options
}

// readPatterns reads a list of patterns; an empty list is not nil.
func readPatterns(n *pyyaml.Node) []string {
	if n == nil {
		return nil
	}
	patterns := []string{}
	for _, item := range n.Items() {
		const want = "a pattern of images, as in '*-nova-*'"
		text := readWord(item, want)
		if _, err := path.Match(text, ""); err != nil {
			item.Want(want, quote(text))
		}
		patterns = append(patterns, text)
	}
	return patterns
}

// readWord reads a text of one line that cannot be taken for an option.
func readWord(n *pyyaml.Node, want string) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	isControl := func(r rune) bool { return r < ' ' || r == 0x7f }
	if text == "" || strings.HasPrefix(text, "-") || strings.ContainsFunc(text, isControl) {
		n.Want(want, quote(text))
		return ""
	}
	return text
}

func quote(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return fmt.Sprintf("%q", text)
}
