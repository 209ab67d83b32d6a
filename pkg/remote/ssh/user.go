package ssh

import (
	"context"
	"os/exec"
	"os/user"
	"strings"
	"time"
)

// ConfiguresUser reports whether ssh's own configuration names a user for the
// host of c other than the one who runs this program, which is ssh's default.
func ConfiguresUser(ctx context.Context, c Config) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	program := c.Program
	if program == "" {
		program = "ssh"
	}
	args := []string{"-G"}
	if c.ConfigFile != "" {
		args = append(args, "-F", c.ConfigFile)
	}
	for _, o := range c.Options {
		args = append(args, "-o", o)
	}
	out, err := exec.CommandContext(ctx, program, append(args, "--", c.Address)...).Output()
	me, uerr := user.Current()
	if err != nil || uerr != nil {
		return false
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "user "); ok {
			return name != me.Username
		}
	}
	return false
}
