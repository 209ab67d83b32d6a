package hostname

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestFault63NamesThatCouldReachAShell(t *testing.T) {
	for _, name := range []string{"controller01", "a", "A-b.c_d", "node.example.org", "_x", "10.0.0.1"} {
		if err := Check(name); err != nil {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
	for _, name := range []string{
		"", "-oProxyCommand=x", "-", ".", ".a", "a;rm", "a b", "a\n", "a$(x)", "a`x`", "a|b", "a&b",
		"a>b", "a*", "a'b", `a"b`, `a\b`, "a/b", "{{a}}", "a@b", "::1", "ü", strings.Repeat("a", 254),
	} {
		if err := Check(name); !errors.Is(err, ErrName) {
			t.Errorf("Check(%q) = %v, want ErrName", name, err)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]error{
		"10.20.11.3": nil, "127.0.0.2": nil,
		"fe80::1": ErrIPv6, "::ffff:10.0.0.1": ErrIPv6, "[::1]": ErrIPv6, "fe80::1%eth0": ErrIPv6,
		"": ErrIPv4, "10.0.0": ErrIPv4, "10.0.0.256": ErrIPv4, "010.0.0.1": ErrIPv4, "node": ErrIPv4,
		"0.0.0.0": ErrIPv4, "239.1.1.1": ErrIPv4, "255.255.255.255": ErrIPv4, "[10.0.0.1]": ErrIPv4,
	} {
		got, err := ParseAddress(text)
		if !errors.Is(err, want) {
			t.Errorf("ParseAddress(%q) = %v, %v; want the error %v", text, got, err, want)
		}
		if err == nil && got.String() != text {
			t.Errorf("ParseAddress(%q) = %v", text, got)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name, own string
		want      bool
	}{
		{"a", "a", true}, {"A", "a", true}, {"a", "a.example.org", true}, {"a.example.org", "a", true},
		{"a.example.org", "a.example.com", false}, {"a", "b", false}, {"a", "ab", false},
		{"", "", false}, {"", ".x", false}, {"a", "", false}, {"", "a", false},
	} {
		if got := Match(tt.name, tt.own); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.name, tt.own, got, tt.want)
		}
	}
}

func TestForAddress(t *testing.T) {
	if got := ForAddress(netip.MustParseAddr("10.20.11.3")); got != "host-10-20-11-3" {
		t.Errorf("got %s", got)
	}
}
