package ssh

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nobody is a user that no configuration names.
const nobody = "daisy-mcast-nobody"

// ConfiguresUser reports whether c, or the operator's ssh configuration for its
// host, says which user to log in as. If not ssh takes the local user's name.
func ConfiguresUser(ctx context.Context, c Config) bool {
	c = c.withDefaults()
	if c.validate() != nil {
		return false
	}
	files := []string{c.ConfigFile}
	if c.ConfigFile == "" {
		home, _ := os.UserHomeDir() // without one ssh reads no file there either
		files = []string{filepath.Join(home, ".ssh", "config"), "/etc/ssh/ssh_config"}
	}
	var config strings.Builder
	for _, file := range files {
		fmt.Fprintf(&config, "Match all\nInclude \"%s\"\n", file)
	}
	// ssh takes the first value, so this one shows only if there is no other.
	fmt.Fprintf(&config, "Match all\nUser %s\n", nobody)
	c.ConfigFile = "/dev/stdin"
	a, err := c.dump(ctx, config.String())
	return err == nil && a.user != nobody
}
