// Package hostlist reads the list of hosts that takes the place of Daisy's
// files: what an operator writes by hand, or Ansible hands over. It is a list
// of hosts in YAML or JSON, or a mapping with the key hosts that has the list:
//
//	hosts:
//	- name: node1             # or address, or both
//	  address: 10.0.0.11      # default: the name, which ssh resolves
//	  connection: local       # this machine; default: ssh
//	  user: deploy            # default: ssh's own
//	  port: 22                # default: ssh's own
//	  identity: ~/.ssh/id_lab
//	  ssh_options: [ProxyJump=bastion]
//	  become: true
//	  become_password: '...'
//	  password: '...'
//	  roles: [COMPUTER]
//	  preload: ['*-nova-*']   # images for its engine, of distribute --preload
//
// It is as strict as package daisyconfig: errors name file, line and field;
// unknown keys are warned of; duplicates, an empty list and names that could
// reach a shell are refused. IPv6 addresses are refused, for multicast here is
// IPv4.
package hostlist

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/hostname"
	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// A Secret is a password that prints as ***.
type Secret = pyyaml.Secret

// A Host is one of the list.
type Host struct {
	Name           string     // never ""; the address when the list gives no name
	Address        string     // never ""; what ssh is told to connect to
	IP             netip.Addr // Address when it is one; otherwise invalid
	Local          bool       // this machine, without ssh
	User           string     // "": ssh's own choice
	Port           uint16     // 0: ssh's own choice
	Identity       string     // path of a private key; "": ssh's own choice
	SSHOptions     []string   // Key=Value, as for ssh -o
	Become         bool
	BecomePassword Secret
	Password       Secret
	Roles          []string
	Preload        []string // patterns of path.Match; nil when the list says nothing
	Line           int
}

// A List is a host list that was read.
type List struct {
	File     string
	Hosts    []Host // at least one
	Warnings []pyyaml.Warning
}

// Load reads the list at path.
func Load(path string) (*List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := Read(path, f)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 && l.hasPasswords() {
		l.Warnings = append(l.Warnings, pyyaml.Warning{File: path, Text: fmt.Sprintf(
			"holds passwords and can be read by other users (mode %04o); chmod 600 it", info.Mode().Perm())})
	}
	return l, nil
}

// Read reads a list from r; name stands for it in messages.
func Read(name string, r io.Reader) (*List, error) {
	doc, err := pyyaml.Read(name, r)
	if err != nil {
		return nil, err
	}
	hosts := readHosts(doc.Root())
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return &List{File: name, Hosts: hosts, Warnings: doc.Warnings()}, nil
}

func (l *List) hasPasswords() bool {
	return slices.ContainsFunc(l.Hosts, func(h Host) bool {
		return !h.Password.IsZero() || !h.BecomePassword.IsZero()
	})
}

// Limit returns the hosts with these names or addresses, in the list's order;
// all of them when there are none. An entry that no host has is an error.
func (l *List) Limit(entries []string) ([]Host, error) {
	if len(entries) == 0 {
		return l.Hosts, nil
	}
	var errs []error
	for _, entry := range entries {
		if !slices.ContainsFunc(l.Hosts, func(h Host) bool { return h.is(entry) }) {
			errs = append(errs, fmt.Errorf("--limit %q: no host in %s has that name or address", entry, l.File))
		}
	}
	var hosts []Host
	for _, h := range l.Hosts {
		if slices.ContainsFunc(entries, h.is) {
			hosts = append(hosts, h)
		}
	}
	return hosts, errors.Join(errs...)
}

func (h Host) is(entry string) bool {
	return hostname.Equal(h.Name, entry) || strings.EqualFold(h.Address, entry)
}
