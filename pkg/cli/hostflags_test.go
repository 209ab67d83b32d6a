package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	env := map[string]string{
		"DAISY_MCAST_DHA": "env.yml", "DAISY_MCAST_NETWORK": "net.yml", "DAISY_MCAST_ADDRESS": "a=10.0.0.1,b=10.0.0.2",
	}
	for name, tt := range map[string]struct {
		flags hostFlags
		want  string
	}{
		"none":    {hostFlags{}, "env.yml net.yml [a=10.0.0.1 b=10.0.0.2]  "},
		"dha":     {hostFlags{dha: "x.yml"}, "x.yml net.yml [a=10.0.0.1 b=10.0.0.2]  "},
		"network": {hostFlags{network: "x.yml"}, "env.yml x.yml [a=10.0.0.1 b=10.0.0.2]  "},
		"address": {hostFlags{addresses: []string{"c=10.0.0.3"}}, "env.yml net.yml [c=10.0.0.3]  "},
		"hosts":   {hostFlags{hosts: "x.yml"}, "  [] x.yml "},
	} {
		f := tt.flags
		f.fromEnvironment(func(key string) string { return env[key] })
		if got := fmt.Sprintf("%s %s %v %s ", f.dha, f.network, f.addresses, f.hosts); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	got, err := parseAddresses([]string{"a=10.0.0.1", " b=10.0.0.2 "})
	if err != nil || len(got) != 2 || got["b"] != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"a", "=10.0.0.1", "a=", "a=b", "-a=10.0.0.1", "a=10.0.0.1,b=10.0.0.2", "a=::1"} {
		if _, err := parseAddresses([]string{bad}); err == nil || !strings.HasPrefix(err.Error(), "--address ") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	for _, twice := range [][]string{{"a=10.0.0.1", "A=10.0.0.2"}, {"a=10.0.0.1", "b=10.0.0.1"}} {
		if _, err := parseAddresses(twice); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("%v: got %v", twice, err)
		}
	}
}

func TestOnlyAddress(t *testing.T) {
	for found, want := range map[string]string{
		"":                  "invalid IP",
		"10.0.0.1":          "10.0.0.1",
		"10.0.0.1 10.0.0.1": "10.0.0.1",
		"::ffff:10.0.0.1":   "10.0.0.1",
		"10.0.0.1 10.0.0.2": "it has several addresses, 10.0.0.1 and 10.0.0.2; use --address",
		"127.0.1.1":         "127.0.1.1 is a loopback address; use --address",
	} {
		var addrs []netip.Addr
		for _, text := range strings.Fields(found) {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		a, err := onlyAddress(addrs)
		got := a.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("onlyAddress(%s) = %s, want %s", found, got, want)
		}
	}
}
