package ssh

import (
	"os"
	"path/filepath"
	"testing"
)

func TestR2ConfiguresUser(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	text := "Host node-1\n User kolla\nHost node-9\n Port 2222\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		config Config
		want   bool
	}{
		{Config{Address: "node-1", ConfigFile: file}, true},
		{Config{Address: "node-9", ConfigFile: file}, false},
		{Config{Address: "10.0.0.1", ConfigFile: file}, false},
		{Config{Address: "10.0.0.1", ConfigFile: file, User: "kolla"}, true},
		{Config{Address: "10.0.0.1", ConfigFile: file, Options: []string{"User=kolla"}}, true},
		{Config{Address: "-oUser=x", ConfigFile: file}, false},
		{Config{Address: "10.0.0.1", ConfigFile: file, Program: filepath.Join(dir, "no-ssh")}, false},
	}
	for _, tt := range tests {
		if got := ConfiguresUser(t.Context(), tt.config); got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.config, got, tt.want)
		}
	}
}
