package daisyconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// given pairs the real hosts with addresses by hand.
func given(c *Config) Options {
	opt := Options{Addresses: make(map[string]netip.Addr)}
	next := addr("10.20.11.3")
	for _, h := range c.Hosts {
		opt.Addresses[h.Name] = next
		next = next.Next()
	}
	return opt
}

func TestR3InventoryRefusesUnprovenAddresses(t *testing.T) {
	c := realPair(t, "zte-virtual1")
	_, err := c.Inventory(targets(t, c, Options{}))
	var unproven *UnprovenError
	if !errors.As(err, &unproven) || len(unproven.Hosts) != 5 {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "unproven: controller01 (testdata/zte-virtual1/deploy.yml:3), ") {
		t.Errorf("got %v", err)
	}
}

func TestInventoryOfTheRealPairs(t *testing.T) {
	for pair, wantVars := range map[string]string{
		"zte-virtual1": `{"ansible_host":"10.20.11.6","daisy_roles":["COMPUTER"],"keepalived_interface":"ens9",` +
			`"kolla_external_vip_address":"10.20.11.11","kolla_external_vip_interface":"ens3",` +
			`"kolla_internal_vip_address":"10.20.11.11","network_interface":"ens3",` +
			`"neutron_external_interface":"ens8","storage_interface":"ens3","tunnel_interface":"ens3"}`,
		"zte-baremetal1": `{"ansible_host":"10.20.11.6","daisy_roles":["COMPUTER"],"keepalived_interface":"ens4f0",` +
			`"kolla_external_vip_address":"10.20.7.11","kolla_external_vip_interface":"ens12f0.171",` +
			`"kolla_internal_vip_address":"192.168.71.10","network_interface":"ens12f0.171",` +
			`"neutron_external_interface":"ens44f1.173","storage_interface":"ens12f1.172","tunnel_interface":"ens44f0.1130"}`,
	} {
		c := realPair(t, pair)
		inv, err := c.Inventory(targets(t, c, given(c)))
		if err != nil {
			t.Fatal(err)
		}
		vars, err := json.Marshal(inv.HostVars["computer01"])
		if err != nil {
			t.Fatal(err)
		}
		if string(vars) != wantVars {
			t.Errorf("%s: got  %s\nwant %s", pair, vars, wantVars)
		}
		want := "[{control [controller01 controller02 controller03]} {network [controller01 controller02 controller03]} " +
			"{compute [computer01 computer02]} {storage [controller01 controller02 controller03]} {monitoring []} " +
			"{deployment [localhost]} {baremetal [controller01 controller02 controller03 computer01 computer02]}]"
		if got := fmt.Sprint(inv.Groups); got != want {
			t.Errorf("%s: got  %s\nwant %s", pair, got, want)
		}
	}
}

func TestStorageIsControllersThenComputers(t *testing.T) {
	deploy := `hosts:
- {name: p, roles: [COMPUTER], ip: 10.0.0.2}
- {name: q, roles: [COMPUTER, CONTROLLER_LB], ip: 10.0.0.3}
- {name: r, roles: [CONTROLLER_HA], ip: 10.0.0.4}
`
	c := load(t, deploy, "")
	inv, err := c.Inventory(targets(t, c, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want := "[{control [q]} {network [q]} {compute [p q]} {storage [q p]} {monitoring []} {deployment [localhost]} {baremetal [p q r]}]"
	if got := fmt.Sprint(inv.Groups); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(inv.Warnings) != 1 || !strings.Contains(inv.Warnings[0], "host r has CONTROLLER_HA alone") {
		t.Errorf("warnings: %v", inv.Warnings)
	}
	if len(inv.HostVars["p"]) != 2 {
		t.Errorf("without network.yml: %v", inv.HostVars["p"])
	}
}

func TestInventoryHasPasswordsWhenAskedFor(t *testing.T) {
	c := load(t, "hosts:\n- {name: p, roles: [COMPUTER], ip: 10.0.0.2, password: s3cret}\n- {name: q, roles: [COMPUTER], ip: 10.0.0.3}\n", "")
	all := targets(t, c, Options{})
	inv, err := c.Inventory(all)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(inv.HostVars); strings.Contains(text, "s3cret") {
		t.Errorf("not asked for: %s", text)
	}
	inv.AddPasswords(all)
	_, other := inv.HostVars["q"]["ansible_password"]
	if got := inv.HostVars["p"]["ansible_password"]; got != "s3cret" || other {
		t.Errorf("asked for: %v, and for q: %v", got, other)
	}
}

func TestInventoryListIsWhatAnsibleReads(t *testing.T) {
	c := realPair(t, "zte-virtual1")
	inv, err := c.Inventory(targets(t, c, given(c)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "r00tme") {
		t.Error("the password is shown")
	}
	var list struct {
		Meta struct {
			HostVars map[string]map[string]any
		} `json:"_meta"`
		All     struct{ Children []string }
		Compute struct{ Hosts []string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Meta.HostVars) != 6 || list.Meta.HostVars["localhost"]["ansible_connection"] != "local" ||
		len(list.All.Children) != 8 || len(list.Compute.Hosts) != 2 {
		t.Errorf("got %s", text)
	}
}
