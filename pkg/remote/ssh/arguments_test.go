package ssh

import (
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// first returns the value that ssh takes for an option: the first.
func first(args []string, keyword string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, keyword+"="); ok && args[i-1] == "-o" {
			return value
		}
	}
	return ""
}

func TestR2Options(t *testing.T) {
	secret := remote.NewSecret("Marker-1")
	tests := []struct {
		name    string
		config  Config
		keyword string
		want    string
	}{
		{"strict", Config{}, "StrictHostKeyChecking", "yes"},
		{"accept", Config{AcceptNewHostKeys: true}, "StrictHostKeyChecking", "accept-new"},
		{"accept with a password", Config{AcceptNewHostKeys: true, Password: secret}, "StrictHostKeyChecking", "yes"},
		{"accept with sudo's", Config{AcceptNewHostKeys: true, SendsSecrets: true}, "StrictHostKeyChecking", "yes"},
		{"operator's no", Config{Options: []string{"StrictHostKeyChecking=no"}}, "StrictHostKeyChecking", "yes"},
		{"nobody to ask", Config{}, "BatchMode", "yes"},
		{"helper to ask", Config{Password: secret}, "BatchMode", "no"},
		{"one try", Config{Password: secret, Options: []string{"NumberOfPasswordPrompts=9"}}, "NumberOfPasswordPrompts", "1"},
		{"no master", Config{Password: secret}, "ControlPath", "none"},
		{"operator's master", Config{}, "ControlPath", ""},
		{"patience", Config{}, "ConnectTimeout", "15"},
		{"operator's patience", Config{Options: []string{"ConnectTimeout=3"}}, "ConnectTimeout", "3"},
		{"only that key", Config{Identity: "k"}, "IdentitiesOnly", "yes"},
	}
	for _, tt := range tests {
		tt.config.Name = "n"
		if got := first(tt.config.withDefaults().arguments("true"), tt.keyword); got != tt.want {
			t.Errorf("%s: got %s=%s, want %s", tt.name, tt.keyword, got, tt.want)
		}
	}
}

func TestFault63TheHostIsNoOption(t *testing.T) {
	c := Config{Name: "n", Address: "10.0.0.1", User: "u", Port: 2222, Identity: "k", ConfigFile: "f",
		Options: []string{"ProxyJump=j"}}.withDefaults()
	args := c.arguments("exec true")
	if tail := args[len(args)-3:]; !slices.Equal(tail, []string{"--", "10.0.0.1", "exec true"}) {
		t.Errorf("got %q at the end", tail)
	}
	if head := args[:8]; !slices.Equal(head, []string{"-F", "f", "-l", "u", "-p", "2222", "-i", "k"}) {
		t.Errorf("got %q at the start", head)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv(AskpassEnv, "inherited")
	t.Setenv("SSH_ASKPASS", "inherited")
	t.Setenv("SSH_ASKPASS_REQUIRE", "prefer")
	t.Setenv("DISPLAY", "")
	c := Config{Name: "n", Password: remote.NewSecret("Marker-1"), AskpassProgram: "/helper"}.withDefaults()

	quiet := c.environ("")
	if !slices.Contains(quiet, "SSH_ASKPASS_REQUIRE=never") || slices.ContainsFunc(quiet, isInherited) {
		t.Errorf("without a socket: %q", quiet)
	}
	env := c.environ("/sock")
	for _, want := range []string{"SSH_ASKPASS_REQUIRE=force", "SSH_ASKPASS=/helper", AskpassEnv + "=/sock", "DISPLAY=:0"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.ContainsFunc(env, isInherited) || strings.Contains(strings.Join(append(env, c.arguments("x")...), " "), "Marker") {
		t.Errorf("with a socket: %q", env)
	}
}

func isInherited(v string) bool { return strings.HasSuffix(v, "=inherited") }
