package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A flag wins over the environment, that over the command's own settings, those
// over the general ones, those over the default.
func TestSettingsPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yml")
	text := "ssh-user: general\nidentity: general\nsender: general\nlimit: [a, b]\nbecome: yes\nport: 1\n" +
		"distribute:\n  identity: own\n  sender: own\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{configEnv: file, "DAISY_MCAST_SENDER": "env", "DAISY_MCAST_BASE_DIR": "/env"}
	cmd := distribute(t, "--base-dir", "/flag")
	if err := applySettings(cmd, func(k string) string { return env[k] }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ssh-user": "general", "identity": "own", "sender": "env", "base-dir": "/flag",
		"limit": "[a,b]", "become": "true", "port": "1", "fallback": "uniform",
	} {
		if got := cmd.Flags().Lookup(name).Value.String(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestSettingsRefusesWhatNoCommandHas(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yml")
	for text, want := range map[string]string{
		"ssh_user: root\n":            "config.yml:1",
		"port: many\n":                "port",
		"distribute:\n  clients: 3\n": "config.yml:2",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := applySettings(distribute(t, "--config", file), func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func distribute(t *testing.T, args ...string) *cobra.Command {
	t.Helper()
	root := newRootCommand(&streams{})
	cmd, rest, err := root.Find(append([]string{"distribute"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	return cmd
}
