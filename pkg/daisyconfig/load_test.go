package daisyconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/pyyaml"
)

// write makes a file in a directory of the test's, readable by its owner only.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const tail = "daisy_passwd: 'r00tme'\ndaisy_gateway: '10.20.11.1'\n"

// loadError returns what is wrong with deploy.yml, without its directory.
func loadError(t *testing.T, deploy string) string {
	t.Helper()
	path := write(t, "deploy.yml", deploy)
	_, err := Load(path, "")
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
}

func TestRealPairs(t *testing.T) {
	for _, tt := range []struct {
		pair, adapter string
		vlan          int
	}{{"zte-baremetal1", "ipmi", 171}, {"zte-virtual1", "libvirt", 0}} {
		dir := filepath.Join("testdata", tt.pair)
		c, err := Load(filepath.Join(dir, "deploy.yml"), filepath.Join(dir, "network.yml"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Adapter != tt.adapter || len(c.Hosts) != 5 || c.Password.Reveal() != "r00tme" {
			t.Errorf("%s: adapter %s, %d hosts", tt.pair, c.Adapter, len(c.Hosts))
		}
		h := c.Hosts[3]
		if h.Name != "computer01" || !slices.Equal(h.Roles, []Role{Computer}) || h.Address.IsValid() {
			t.Errorf("%s: host 3 is %+v", tt.pair, h)
		}
		s, ok := c.Network.Subnet(Management)
		if !ok || s.VLAN != tt.vlan || len(s.Ranges) != 1 {
			t.Errorf("%s: MANAGEMENT is %+v", tt.pair, s)
		}
		if len(c.Network.Interfaces) != 6 || !c.Network.InternalVIP.IsValid() {
			t.Errorf("%s: network is %+v", tt.pair, c.Network)
		}
	}
}

func TestWhatDaisyRefusesIsRefused(t *testing.T) {
	host := "hosts:\n- name: a\n  roles: [COMPUTER]\n"
	for name, tt := range map[string]struct{ deploy, want string }{
		"no mapping":          {"- a\n", "deploy.yml:1: want a mapping, got a list"},
		"adapter":             {"adapter: ilo\n" + host + tail, `deploy.yml:1: adapter: want ipmi or libvirt, got "ilo"`},
		"adapter null":        {"adapter:\n" + host + tail, "deploy.yml:1: adapter: want a string, got null"},
		"password missing":    {host + "daisy_gateway: 10.0.0.1\n", "deploy.yml:1: daisy_passwd: missing; want a string"},
		"password an integer": {host + "daisy_passwd: 123456\ndaisy_gateway: 10.0.0.1\n", "deploy.yml:4: daisy_passwd: want a string, got an integer (put it in quotes)"},
		"gateway missing":     {host + "daisy_passwd: x\n", "deploy.yml:1: daisy_gateway: missing; want an IPv4 address"},
		"gateway":             {host + "daisy_passwd: x\ndaisy_gateway: 10.0.0\n", `deploy.yml:5: daisy_gateway: want an IPv4 address, got "10.0.0"`},
		"hosts missing":       {tail, "deploy.yml:1: hosts: missing; want a list of hosts"},
		"hosts a mapping":     {"hosts: {a: b}\n" + tail, "deploy.yml:1: hosts: want a list, got a mapping"},
		"host a string":       {"hosts: [a]\n" + tail, "deploy.yml:1: hosts[0]: want a mapping, got a string"},
		"name an integer":     {"hosts:\n- name: 01\n  roles: [COMPUTER]\n" + tail, "deploy.yml:2: hosts[0].name: want a string, got an integer (put it in quotes)"},
		"roles missing":       {"hosts:\n- name: a\n" + tail, "deploy.yml:2: hosts[0].roles: missing; want a list of roles"},
		"roles a string":      {"hosts:\n- name: a\n  roles: COMPUTER\n" + tail, "deploy.yml:3: hosts[0].roles: want a list, got a string"},
		"role":                {"hosts:\n- name: a\n  roles:\n  - COMPUTER\n  - computer\n" + tail, `deploy.yml:5: hosts[0].roles[1]: want CONTROLLER_LB, CONTROLLER_HA or COMPUTER, got "computer"`},
		"MAC in base 60":      {"hosts:\n- roles: []\n  mac_addresses: [52:54:00:12:34:56]\n" + tail, "deploy.yml:3: hosts[0].mac_addresses[0]: want a string, got an integer (put it in quotes)"},
		"MAC":                 {"hosts:\n- roles: []\n  mac_addresses: [52-54-00-12-34-56]\n" + tail, `deploy.yml:3: hosts[0].mac_addresses[0]: want a MAC address such as 52:54:00:12:34:56, got "52-54-00-12-34-56"`},
		"template":            {"hosts:\n- roles: []\n  template: on\n" + tail, "deploy.yml:3: hosts[0].template: want a string, got a boolean (put it in quotes)"},
		"IPMI": {"adapter: ipmi\n" + host + tail, "deploy.yml:3: hosts[0].ipmi_ip: missing; want an IPv4 address, because the adapter is ipmi\n" +
			"deploy.yml:3: hosts[0].ipmi_user: missing; want a string, because the adapter is ipmi\n" +
			"deploy.yml:3: hosts[0].ipmi_pass: missing; want a string, because the adapter is ipmi"},
		"IPMI password": {"hosts:\n- roles: []\n  ipmi_pass: 1_2\n" + tail, "deploy.yml:3: hosts[0].ipmi_pass: want a string, got an integer (put it in quotes)"},
		"disk":          {host + "disks: {daisy: 49, compute: 110}\n" + tail, "deploy.yml:4: disks.daisy: want at least 50 (GB), got 49"},
		"disk of nodes": {host + "disks: {controller: 109, compute: 0, ceph: -1}\n" + tail, "deploy.yml:4: disks.controller: want at least 110 (GB), got 109\ndeploy.yml:4: disks.compute: want at least 110 (GB), got 0\ndeploy.yml:4: disks.ceph: want at least 110 (GB), got -1"},
		"disk a string": {host + "disks:\n  ceph: '200'\n" + tail, "deploy.yml:5: disks.ceph: want an integer, got a string"},
		"disk a bool":   {host + "disks:\n  ceph: yes\n" + tail, "deploy.yml:5: disks.ceph: want an integer, got a boolean"},
		"disks a list":  {host + "disks: []\n" + tail, "deploy.yml:4: disks: want a mapping, got a list"},
		"disk name":     {host + "ceph_disk_name: 7\n" + tail, "deploy.yml:4: ceph_disk_name: want a string, got an integer (put it in quotes)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := loadError(t, tt.deploy); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWhatDaisyAcceptsIsAccepted(t *testing.T) {
	for name, deploy := range map[string]string{
		"least":          "hosts:\n- roles: []\n" + tail,
		"empty name":     "hosts:\n- {name: '', roles: []}\n- {name: '', roles: []}\n" + tail,
		"modules null":   "hosts:\n- roles: [COMPUTER]\nmodules:\n" + tail,
		"modules":        "hosts:\n- roles: [COMPUTER]\nmodules: {neutron: odl}\n" + tail,
		"all roles":      "hosts:\n- roles: [CONTROLLER_LB, CONTROLLER_HA, COMPUTER]\n" + tail,
		"disks":          "hosts:\n- roles: []\ndisks: {daisy: 50, controller: 0x6e, compute: 1:50, ceph: 1_10}\n" + tail,
		"ip null":        "hosts:\n- {roles: [], ip: , password: }\n" + tail,
		"MAC from 00":    "hosts:\n- roles: []\n  mac_addresses: [00:11:22:AA:bb:cc]\n" + tail,
		"merge keys":     "base: &b {roles: [COMPUTER], template: t.xml}\nhosts:\n- {<<: *b, name: a}\n- {<<: *b, name: b}\n" + tail,
		"extra keys":     "hosts:\n- {roles: [], colour: red}\nextra: 1\n" + tail,
		"IPMI with virt": "adapter: libvirt\nhosts:\n- {roles: [], ipmi_ip: 10.0.0.1}\n" + tail,
	} {
		t.Run(name, func(t *testing.T) {
			if got := loadError(t, deploy); got != "" {
				t.Error(got)
			}
		})
	}
}

func TestFault61DuplicatesAreRefusedWithBothLines(t *testing.T) {
	for name, tt := range map[string]struct{ deploy, want string }{
		"name":    {"hosts:\n- name: a\n  roles: []\n- name: A\n  roles: []\n" + tail, `deploy.yml:4: hosts[1].name: host name "a" was given on line 2 already`},
		"address": {"hosts:\n- {roles: [], ip: 10.0.0.2}\n- {roles: [], ip: 10.0.0.2}\n" + tail, `deploy.yml:3: hosts[1].ip: address "10.0.0.2" was given on line 2 already`},
		"key":     {"hosts: []\n" + tail + "hosts: []\n", `deploy.yml:4: key "hosts" was given on line 1 already`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := loadError(t, tt.deploy); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFault63OddHostsAreRefused(t *testing.T) {
	for host, want := range map[string]string{
		"name: 'a;rm -rf'":       "a host name",
		"name: -oProxyCommand=x": "a host name",
		"name: '{{ x }}'":        "a host name",
		"ip: fe80::1":            "multicast here is IPv4 only",
		"ip: 239.1.1.1":          "want an IPv4 address",
	} {
		if got := loadError(t, "hosts:\n- roles: []\n  "+host+"\n"+tail); !strings.Contains(got, want) ||
			!strings.HasPrefix(got, "deploy.yml:3: ") {
			t.Errorf("%s: got %q", host, got)
		}
	}
	if got, want := loadError(t, "hosts: []\n"+tail), "deploy.yml:1: hosts: want at least one host, got an empty list"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorsOfBothFilesAreTold(t *testing.T) {
	deploy := write(t, "deploy.yml", "hosts: 1\n"+tail)
	network := write(t, "network.yml", "networks: 1\n")
	_, err := Load(deploy, network)
	var e *pyyaml.Error
	if !errors.As(err, &e) || e.Line != 1 || e.Field != "hosts" {
		t.Errorf("got %#v", e)
	}
	if !strings.Contains(fmt.Sprint(err), network+":1: networks: want a list, got an integer") {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	path := write(t, "deploy.yml", "hosts:\n- roles: []\n  colour: red\n"+tail+"vip: 1\n")
	c, err := Load(path, "")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("[%[1]s:3: unknown key hosts[0].colour, ignored %[1]s:6: unknown key vip, ignored]", path)
	if got := fmt.Sprint(c.Warnings); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	c, err = Load(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings[len(c.Warnings)-1].Text; !strings.Contains(got, "can be read by other users (mode 0640)") {
		t.Errorf("T12: the last warning is %q", got)
	}
}

func TestFault77ConfigShowsNoPassword(t *testing.T) {
	path := write(t, "deploy.yml", "adapter: ipmi\nhosts:\n- {name: a, roles: [], password: hunter2, ipmi_ip: 10.0.0.9, ipmi_user: u, ipmi_pass: hunter3}\n"+
		"daisy_passwd: hunter4\ndaisy_gateway: 10.0.0.1\n")
	c, err := Load(path, "")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", c, c, c, asJSON); strings.Contains(shown, "hunter") {
		t.Errorf("shown: %s", shown)
	}
	h := c.Hosts[0]
	if h.Password.Reveal() != "hunter2" || h.IPMI.Password.Reveal() != "hunter3" || c.Password.Reveal() != "hunter4" {
		t.Error("a password was not read")
	}
}

func TestNetworkErrors(t *testing.T) {
	deploy := write(t, "deploy.yml", "hosts:\n- roles: []\n"+tail)
	for name, tt := range map[string]struct{ network, want string }{
		"missing":      {"internal_vip: 10.0.0.1\n", "network.yml:1: networks: missing; want a list of networks"},
		"name":         {"networks:\n- cidr: 10.0.0.0/24\n", "network.yml:2: networks[0].name: missing; want the name of a network"},
		"cidr":         {"networks:\n- name: TENANT\n  cidr: 10.0.0.0\n", `network.yml:3: networks[0].cidr: want an IPv4 network such as 10.20.11.0/24, got "10.0.0.0"`},
		"gateway":      {"networks:\n- name: TENANT\n  gateway: 10.0.0.300\n", `network.yml:3: networks[0].gateway: want an IPv4 address, got "10.0.0.300"`},
		"backwards":    {"networks:\n- name: TENANT\n  ip_ranges:\n  - {start: 10.0.0.9, end: 10.0.0.8}\n", "network.yml:4: networks[0].ip_ranges[0]: the range ends at 10.0.0.8, before its start 10.0.0.9"},
		"outside":      {"networks:\n- name: TENANT\n  cidr: 10.0.0.0/24\n  ip_ranges:\n  - {start: 10.0.0.9, end: 10.0.1.8}\n", "network.yml:5: networks[0].ip_ranges[0]: the range 10.0.0.9 to 10.0.1.8 is not inside of cidr 10.0.0.0/24"},
		"half a range": {"networks:\n- name: TENANT\n  ip_ranges:\n  - start: 10.0.0.9\n", "network.yml:4: networks[0].ip_ranges[0].end: missing; want an IPv4 address"},
		"vlan":         {"networks:\n- {name: TENANT, vlan_id: 4095}\n", "network.yml:2: networks[0].vlan_id: want a VLAN id from 1 to 4094, or null, got 4095"},
		"vlan text":    {"networks:\n- {name: TENANT, vlan_id: x}\n", `network.yml:2: networks[0].vlan_id: want a VLAN id from 1 to 4094, or null, got "x"`},
		"twice":        {"networks:\n- name: TENANT\n- name: TENANT\n", `network.yml:3: networks[1].name: network "TENANT" was given on line 2 already`},
		"interface":    {"networks: []\ninterfaces:\n- {name: TENANT, interface: '{{ x }}'}\n", `network.yml:3: interfaces[0].interface: want the name of a network interface, got "{{ x }}"`},
		"VIP":          {"networks: []\ninternal_vip: ::1\n", `network.yml:2: internal_vip: want an IPv4 address; multicast here is IPv4 only, got "::1"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "network.yml", tt.network)
			_, err := Load(deploy, path)
			got := strings.ReplaceAll(fmt.Sprint(err), filepath.Dir(path)+"/", "")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNetworkOddities(t *testing.T) {
	deploy := write(t, "deploy.yml", "hosts:\n- roles: []\n"+tail)
	network := write(t, "network.yml", "networks:\n- {name: TENANT, vlan_id: '12', cidr: 10.0.0.7/24, gateway: }\n- {name: MANAGMENT, vlan_id: 0}\n")
	c, err := Load(deploy, network)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Network.Subnet(Tenant)
	if s.VLAN != 12 || s.CIDR.String() != "10.0.0.0/24" || s.Gateway.IsValid() {
		t.Errorf("TENANT is %+v", s)
	}
	if got := fmt.Sprint(c.Warnings); !strings.Contains(got, `:3: networks[1].name: "MANAGMENT" is none of Daisy's networks`) {
		t.Errorf("warnings are %s", got)
	}
}
