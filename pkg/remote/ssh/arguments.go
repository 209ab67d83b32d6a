package ssh

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// aliveSeconds and aliveCount: ssh gives up 15 s after a host has fallen
// silent, as long as connecting may take.
const (
	aliveSeconds = 5
	aliveCount   = 3
)

// arguments returns ssh's arguments for running command on the host. They hold
// nothing secret.
func (c Config) arguments(command string) []string {
	return append(append(c.options(), "-T", "--", c.Address), command)
}

// options returns all but the destination. Of several values ssh takes the
// first: so what must hold comes before the operator's options, and what the
// operator may change after them. Both win over the configuration files.
func (c Config) options() []string {
	var args []string
	if c.ConfigFile != "" {
		args = append(args, "-F", c.ConfigFile)
	}
	if c.User != "" {
		args = append(args, "-l", c.User)
	}
	if c.Port != 0 {
		args = append(args, "-p", strconv.Itoa(c.Port))
	}
	if c.Identity != "" {
		args = append(args, "-i", c.Identity)
	}
	for _, list := range [][]string{c.fixed(), c.Options, c.changeable()} {
		for _, o := range list {
			args = append(args, "-o", o)
		}
	}
	return args
}

// fixed are the options that an operator's cannot override.
func (c Config) fixed() []string {
	fixed := []string{
		"LogLevel=INFO",      // classify needs the messages, keyLog the warnings
		"ControlMaster=no",   // a master would outlive the session, with our stderr open
		"RemoteCommand=none", // ours is the command
		"UpdateHostKeys=no",  // known_hosts is the operator's
		"PermitLocalCommand=no",
		"ClearAllForwardings=yes",
		"ForwardX11=no",
		"ForwardAgent=no",
	}
	if c.isStrict() {
		fixed = append(fixed, "StrictHostKeyChecking=yes")
	} else {
		fixed = append(fixed, "StrictHostKeyChecking=accept-new")
	}
	if c.Password.IsSet() {
		// Several prompts would repeat a wrong password until the account is
		// locked; somebody else's master connection may lead anywhere.
		return append(fixed, "BatchMode=no", "NumberOfPasswordPrompts=1", "ControlPath=none")
	}
	return append(fixed, "BatchMode=yes")
}

// changeable are the options that an operator's override.
func (c Config) changeable() []string {
	list := []string{
		fmt.Sprintf("ConnectTimeout=%d", int(math.Ceil(c.ConnectTimeout.Seconds()))),
		fmt.Sprintf("ServerAliveInterval=%d", aliveSeconds),
		fmt.Sprintf("ServerAliveCountMax=%d", aliveCount),
	}
	if c.Identity != "" {
		list = append(list, "IdentitiesOnly=yes")
	}
	if c.Password.IsSet() {
		list = append(list, "PasswordAuthentication=yes", "KbdInteractiveAuthentication=yes")
	}
	return list
}

// environ returns ssh's environment. socket is where the helper gets the
// password; without one ssh asks nobody for anything.
func (c Config) environ(socket string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case AskpassEnv, "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE":
		default:
			env = append(env, v)
		}
	}
	if socket == "" {
		return append(env, "SSH_ASKPASS_REQUIRE=never")
	}
	env = append(env, AskpassEnv+"="+socket, "SSH_ASKPASS="+c.AskpassProgram, "SSH_ASKPASS_REQUIRE=force")
	if os.Getenv("DISPLAY") == "" {
		env = append(env, "DISPLAY=:0") // before 8.4 ssh asks the helper only if it is set, and no terminal
	}
	return env
}
