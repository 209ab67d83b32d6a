package daisyconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

const pairHosts = `hosts:
- {name: a, roles: [], mac_addresses: ['52:54:00:00:00:0A', '52:54:00:00:00:1a']}
- {name: b.example.org, roles: []}
- {name: c, roles: []}
- {name: d, roles: [], ip: 10.0.0.30, mac_addresses: ['52:54:00:00:00:0d']}
- {roles: [], mac_addresses: ['52:54:00:00:00:0e']}
`

// pairs gives the hosts of pairHosts, with 10.0.0.10 to .13 derived.
func pairs(t *testing.T, limit ...string) *Targets {
	t.Helper()
	return targets(t, load(t, pairHosts, oneRange), Options{Limit: limit})
}

func proof(address, name string, macs ...string) Proof {
	return Proof{Address: addr(address), Hostname: name, MACs: macs}
}

func TestR3PairingByMACAndName(t *testing.T) {
	before := pairs(t)
	after, err := Pair(before, []Proof{
		proof("10.0.0.12", "localhost", "00:00:00:00:00:00", "52:54:00:00:00:1A"),
		proof("10.0.0.10", "B", "52:54:00:00:00:99"),
		proof("10.0.0.11", "stranger", "52:54:00:00:00:98"),
		proof("10.0.0.13", "whatever", "52:54:00:00:00:0e"),
		proof("10.0.0.30", "d.example.org", "52:54:00:00:00:0d"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "a=10.0.0.12/derived b.example.org=10.0.0.10/derived c=?/derived d=10.0.0.30/deploy.yml " +
		"host-10-0-0-13=10.0.0.13/derived + [10.0.0.11]"
	if list(after) != want {
		t.Errorf("got  %s\nwant %s", list(after), want)
	}
	if a, b := after.Hosts[0].ProvenBy, after.Hosts[1].ProvenBy; a != ByMAC || b != ByName {
		t.Errorf("proven by %s and %s", a, b)
	}
	if u := after.Unproven(); len(u) != 1 || u[0].Name != "c" {
		t.Errorf("unproven: %+v", u)
	}
	if len(after.Endpoints()) != 5 {
		t.Errorf("endpoints: %+v", after.Endpoints())
	}
	if len(before.Unproven()) != 4 || len(before.Derived) != 4 {
		t.Error("the targets that were given have changed")
	}
}

func TestR3NothingProvenNothingPaired(t *testing.T) {
	before := pairs(t)
	after, err := Pair(before, nil)
	if err != nil || list(after) != list(before) {
		t.Errorf("got %s, %v; want %s", list(after), err, list(before))
	}
}

func TestR3Conflicts(t *testing.T) {
	for name, tt := range map[string]struct {
		proofs []Proof
		want   string
	}{
		"one name at two addresses": {
			[]Proof{proof("10.0.0.10", "c"), proof("10.0.0.11", "c.example.org")},
			"c is proven at more than one address: 10.0.0.10 (by its hostname), 10.0.0.11 (by its hostname)"},
		"MACs of two hosts": {
			[]Proof{proof("10.0.0.10", "x", "52:54:00:00:00:0a", "52:54:00:00:00:0e")},
			"10.0.0.10 has MAC addresses of a and (without a name)"},
		"MAC against name": {
			[]Proof{proof("10.0.0.10", "c", "52:54:00:00:00:0a")},
			"10.0.0.10 has a MAC address of a but calls itself c"},
		"name without its MACs": {
			[]Proof{proof("10.0.0.10", "a", "52:54:00:00:00:77")},
			"10.0.0.10 calls itself a but has none of its mac_addresses (deploy.yml:2)"},
		"derived address of a known host": {
			[]Proof{proof("10.0.0.10", "d")},
			"10.0.0.10 proves to be d by its hostname, whose address is 10.0.0.30 (deploy.yml)"},
		"known address of another": {
			[]Proof{proof("10.0.0.30", "c")},
			"10.0.0.30 is another host's address but proves to be c by its hostname"},
		"known address without its MACs": {
			[]Proof{proof("10.0.0.30", "x", "52:54:00:00:00:77")},
			"10.0.0.30 is d's address (deploy.yml) but has none of its mac_addresses (deploy.yml:5)"},
	} {
		t.Run(name, func(t *testing.T) {
			before := pairs(t)
			after, err := Pair(before, tt.proofs)
			if fmt.Sprint(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			var c *Conflict
			if !errors.As(err, &c) || len(c.Addresses) == 0 || len(c.Names) == 0 {
				t.Errorf("got %#v, want a *Conflict with its addresses and names", err)
			}
			if list(after) != list(before) {
				t.Errorf("paired in spite of it: %s", list(after))
			}
		})
	}
}

func TestR3FirstLabelsThatFitTwoHostsProveNothing(t *testing.T) {
	deploy := "hosts:\n- {name: n.a, roles: []}\n- {name: n.b, roles: []}\n"
	after, err := Pair(targets(t, load(t, deploy, oneRange), Options{}),
		[]Proof{proof("10.0.0.10", "n"), proof("10.0.0.11", "n.b")})
	if want := "n.a=?/derived n.b=10.0.0.11/derived + [10.0.0.10]"; err != nil || list(after) != want {
		t.Errorf("got  %s, %v\nwant %s", list(after), err, want)
	}
}

func TestLimitHoldsAfterPairing(t *testing.T) {
	proofs := []Proof{proof("10.0.0.10", "b"), proof("10.0.0.12", "c")}
	for limit, want := range map[string]string{
		"c":           "c=10.0.0.12/derived + []",
		"a":           "a=?/derived + []",
		"10.0.0.12":   "c=10.0.0.12/derived + []",
		"10.0.0.11":   "=10.0.0.11/derived + []",
		"10.0.0.11,a": "a=?/derived =10.0.0.11/derived + []",
	} {
		after, err := Pair(pairs(t, strings.Split(limit, ",")...), proofs)
		if err != nil || list(after) != want {
			t.Errorf("--limit %s: got  %s, %v\nwant %s", limit, list(after), err, want)
		}
	}
}

func TestLastAddress(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.20.11.0/24": "10.20.11.255", "10.0.0.0/8": "10.255.255.255", "10.0.0.4/30": "10.0.0.7",
		"0.0.0.0/0": "255.255.255.255", "10.0.0.4/31": "?", "10.0.0.4/32": "?",
	} {
		if got := show(lastAddress(netip.MustParsePrefix(cidr))); got != want {
			t.Errorf("lastAddress(%s) = %s, want %s", cidr, got, want)
		}
	}
}
