package daisyconfig

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// realPair loads one of Daisy's own pairs.
func realPair(t *testing.T, name string) *Config {
	t.Helper()
	dir := filepath.Join("testdata", name)
	c, err := Load(filepath.Join(dir, "deploy.yml"), filepath.Join(dir, "network.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load reads a pair of the test's own; network "" is none.
func load(t *testing.T, deploy, network string) *Config {
	t.Helper()
	deployFile, networkFile := write(t, "deploy.yml", deploy+tail), ""
	if network != "" {
		networkFile = write(t, "network.yml", network)
	}
	c, err := Load(deployFile, networkFile)
	if err != nil {
		t.Fatal(err)
	}
	// Tests name lines, not directories.
	for i := range c.Hosts {
		c.Hosts[i].Place.File = "deploy.yml"
	}
	if c.Network != nil {
		c.Network.File = "network.yml"
		for i := range c.Network.Subnets {
			c.Network.Subnets[i].Place.File = "network.yml"
		}
	}
	return c
}

func targets(t *testing.T, c *Config, opt Options) *Targets {
	t.Helper()
	got, err := c.Targets(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// list shows hosts and derived addresses in one line.
func list(t *Targets) string {
	var words []string
	for _, h := range t.Hosts {
		words = append(words, fmt.Sprintf("%s=%s/%s", h.Name, show(h.Address), h.Source))
	}
	return strings.Join(words, " ") + " + " + fmt.Sprint(t.Derived)
}

func show(a netip.Addr) string {
	if !a.IsValid() {
		return "?"
	}
	return a.String()
}

func TestR3DerivedAddressesOfTheRealPairs(t *testing.T) {
	for pair, want := range map[string]string{
		"zte-virtual1":   "[10.20.11.3 10.20.11.4 10.20.11.5 10.20.11.6 10.20.11.7]",
		"zte-baremetal1": "[192.168.71.2 192.168.71.3 192.168.71.4 192.168.71.5 192.168.71.6]",
	} {
		got := targets(t, realPair(t, pair), Options{})
		if fmt.Sprint(got.Derived) != want || len(got.Hosts) != 5 {
			t.Errorf("%s: got %v for %d hosts, want %s", pair, got.Derived, len(got.Hosts), want)
		}
		for _, h := range got.Hosts {
			if h.Address.IsValid() || h.Source != Derived {
				t.Errorf("%s: %s was paired with %v unproven", pair, h.Name, h.Address)
			}
		}
		ends := got.Endpoints()
		if len(ends) != 5 || ends[0].Name != "" || ends[0].Address != got.Derived[0] || ends[0].Source != Derived {
			t.Errorf("%s: endpoints are %+v", pair, ends)
		}
	}
}

const threeHosts = "hosts:\n- {name: a, roles: [CONTROLLER_LB]}\n- {name: b, roles: [COMPUTER]}\n- {name: c, roles: []}\n"

const oneRange = "networks:\n- name: MANAGEMENT\n  cidr: 10.0.0.0/24\n  ip_ranges:\n  - {start: 10.0.0.10, end: 10.0.0.20}\n"

func TestDerivationWalksTheRangesByStart(t *testing.T) {
	network := `networks:
- name: STORAGE
  gateway: 10.20.11.5
- name: MANAGEMENT
  cidr: 10.20.11.0/29
  gateway: 10.20.11.3
  ip_ranges:
  - {start: 10.20.11.4, end: 10.20.11.7}
  - {start: 10.20.11.0, end: 10.20.11.2}
  - {start: 10.20.11.1, end: 10.20.11.4}
internal_vip: 10.20.11.4
`
	// .0 is the network, .1 daisy_gateway, .3 and .5 gateways, .4 a VIP, .7 broadcast.
	got := targets(t, load(t, "hosts:\n- {name: a, roles: []}\n- {name: b, roles: []}\n", network), Options{})
	if want := "a=?/derived b=?/derived + [10.20.11.2 10.20.11.6]"; list(got) != want {
		t.Errorf("got  %s\nwant %s", list(got), want)
	}
}

func TestSourcesInTheirOrder(t *testing.T) {
	c := load(t, "hosts:\n- {name: a, roles: [], ip: 10.0.0.10}\n- {name: b, roles: [], ip: 10.0.0.11}\n- {name: c, roles: []}\n- {name: d, roles: []}\n", oneRange)
	resolve := func(_ context.Context, name string) (netip.Addr, error) {
		switch name {
		case "c":
			return addr("10.0.0.12"), nil
		case "d":
			return netip.Addr{}, errors.New("server misbehaving")
		}
		return netip.Addr{}, fmt.Errorf("%s was asked for", name)
	}
	got := targets(t, c, Options{
		Addresses: map[string]netip.Addr{"B": addr("10.0.0.13")},
		Resolve:   resolve,
	})
	want := "a=10.0.0.10/deploy.yml b=10.0.0.13/option c=10.0.0.12/resolver d=?/derived + [10.0.0.11]"
	if list(got) != want {
		t.Errorf("got  %s\nwant %s", list(got), want)
	}
	if got, want := fmt.Sprint(got.Warnings), "[deploy.yml:5: resolving d: server misbehaving]"; got != want {
		t.Errorf("warnings are %s, want %s", got, want)
	}
}

func TestTargetsAreRefused(t *testing.T) {
	small := strings.Replace(oneRange, "end: 10.0.0.20", "end: 10.0.0.11", 1)
	for name, tt := range map[string]struct {
		deploy, network string
		opt             Options
		want            string
	}{
		"no network.yml": {threeHosts, "", Options{Addresses: map[string]netip.Addr{"b": addr("10.0.0.1")}},
			"deploy.yml:2: host a has no way to an address: no 'ip' here, and no network.yml\n" +
				"deploy.yml:4: host c has no way to an address: no 'ip' here, and no network.yml"},
		"no MANAGEMENT": {"hosts:\n- roles: []\n", "networks: []\n", Options{},
			"deploy.yml:2: host (without a name) has no way to an address: no 'ip' here, and no MANAGEMENT network in network.yml"},
		"no ranges": {"hosts:\n- roles: []\n", "networks:\n- name: MANAGEMENT\n", Options{},
			"deploy.yml:2: host (without a name) has no way to an address: no 'ip' here, and no ip_ranges in the MANAGEMENT network (network.yml:2)"},
		"ranges too small": {threeHosts, small, Options{},
			"network.yml:2: the ip_ranges of MANAGEMENT have 2 free addresses for 3 hosts; none is left for c (deploy.yml:4)"},
		"one address twice": {"hosts:\n- {name: a, roles: [], ip: 10.0.0.9}\n- {name: b, roles: []}\n", "",
			Options{Addresses: map[string]netip.Addr{"b": addr("10.0.0.9")}},
			"deploy.yml:3: host b has the address 10.0.0.9 (option), and so has a at deploy.yml:2 (deploy.yml)"},
		"a name given and made": {"hosts:\n- {name: host-10-0-0-9, roles: [], ip: 10.0.0.8}\n- {roles: [], ip: 10.0.0.9}\n", "", Options{},
			"deploy.yml:3: host name host-10-0-0-9 was given at deploy.yml:2 already"},
		"address of nobody": {threeHosts, oneRange, Options{Addresses: map[string]netip.Addr{"x": addr("10.0.0.9")}},
			"--address x=10.0.0.9: no such host in deploy.yml"},
		"limit": {threeHosts, oneRange, Options{Limit: []string{"a", "x", "10.0.0.13"}},
			"--limit \"x\": no host has that name or address\n--limit \"10.0.0.13\": no host has that name or address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tt.deploy, tt.network).Targets(t.Context(), tt.opt)
			if fmt.Sprint(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestNamelessHostsAreNamedByAddress(t *testing.T) {
	got := targets(t, load(t, "hosts:\n- {roles: [], ip: 10.0.0.9}\n- roles: []\n", oneRange), Options{})
	if want := "host-10-0-0-9=10.0.0.9/deploy.yml =?/derived + [10.0.0.10]"; list(got) != want {
		t.Errorf("got  %s\nwant %s", list(got), want)
	}
}

func TestAnAddressThatIsAVIPIsWarnedOf(t *testing.T) {
	c := load(t, "hosts:\n- {name: a, roles: [], ip: 10.0.0.9}\n", oneRange+"public_vip: 10.0.0.9\n")
	want := "[deploy.yml:2: host a has the address 10.0.0.9, which is the public_vip]"
	if got := fmt.Sprint(targets(t, c, Options{}).Warnings); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestR1Limit(t *testing.T) {
	c := load(t, "hosts:\n- {name: a, roles: [], ip: 10.0.0.9}\n- {name: b, roles: []}\n- {name: c, roles: []}\n", oneRange)
	for limit, want := range map[string]string{
		"a":            "a=10.0.0.9/deploy.yml + []",
		"10.0.0.9":     "a=10.0.0.9/deploy.yml + []",
		"A,10.0.0.9":   "a=10.0.0.9/deploy.yml + []",
		"b":            "b=?/derived + [10.0.0.10 10.0.0.11]",
		"10.0.0.11":    "=10.0.0.11/derived + []",
		"10.0.0.11,b":  "b=?/derived =10.0.0.11/derived + [10.0.0.10]",
		"10.0.0.11, a": "a=10.0.0.9/deploy.yml =10.0.0.11/derived + []",
	} {
		var opt Options
		for entry := range strings.SplitSeq(limit, ",") {
			opt.Limit = append(opt.Limit, strings.TrimSpace(entry))
		}
		if got := list(targets(t, c, opt)); got != want {
			t.Errorf("--limit %s: got  %s\nwant %s", limit, got, want)
		}
	}
}

func TestCancelledResolution(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	resolve := func(ctx context.Context, _ string) (netip.Addr, error) {
		cancel()
		return netip.Addr{}, ctx.Err()
	}
	_, err := load(t, threeHosts, oneRange).Targets(ctx, Options{Resolve: resolve})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
