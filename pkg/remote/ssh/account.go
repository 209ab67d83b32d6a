package ssh

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

// An account is whom a password belongs to, as ssh names it in its prompts.
type account struct{ user, target string }

// asksFor reports whether prompt is the one with which ssh asks for the
// account's password, by either of its two methods. All others - a jump
// host's, a key's passphrase, a question about a host key - are not.
func (a account) asksFor(prompt string) bool {
	prompt = strings.TrimRight(prompt, " ")
	who := a.user + "@" + a.target
	return strings.EqualFold(prompt, who+"'s password:") ||
		strings.EqualFold(prompt, "("+who+") Password:")
}

// resolve asks ssh which user and which target its configuration makes of the
// host: these are in the target's password prompt.
func (c Config) resolve(ctx context.Context) (account, error) {
	return c.dump(ctx, "")
}

// dump runs ssh -G, which connects nowhere.
func (c Config) dump(ctx context.Context, stdin string) (account, error) {
	cmd := exec.CommandContext(ctx, c.Program, append(c.options(), "-G", "--", c.Address)...)
	cmd.Env = c.environ("")
	cmd.Stdin = strings.NewReader(stdin)
	tail := &remote.Tail{}
	cmd.Stderr = tail
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return account{}, ctx.Err()
	}
	if err != nil {
		return account{}, &remote.Error{Host: c.Name, Reason: remote.ReasonConfig, Detail: tail.String(), Err: err}
	}
	return parseAccount(string(out))
}

// parseAccount reads the output of ssh -G.
func parseAccount(config string) (account, error) {
	var a account
	var alias string
	for line := range strings.Lines(config) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch keyword {
		case "user":
			a.user = value
		case "hostname":
			a.target = value
		case "hostkeyalias":
			alias = value
		}
	}
	if alias != "" {
		a.target = alias
	}
	if a.user == "" || a.target == "" {
		return a, errors.New("ssh -G names no user or no hostname")
	}
	return a, nil
}
