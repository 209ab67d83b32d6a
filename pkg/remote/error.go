package remote

import (
	"fmt"
	"strings"
)

// A Reason says in a word or two why a host cannot be used. The text is fit
// for a table and for the report, where it is kept stable.
type Reason string

// The reasons. Those up to ReasonLost come from the connection, the others
// from the host itself.
const (
	ReasonUnreachable    Reason = "unreachable"      // no route, no answer, closed before login
	ReasonRefused        Reason = "refused"          // nothing listens on the SSH port
	ReasonName           Reason = "unknown name"     // the host's name does not resolve
	ReasonAuth           Reason = "auth"             // no key or password was accepted
	ReasonHostKeyUnknown Reason = "host key unknown" // not in known_hosts
	ReasonHostKeyChanged Reason = "host key changed" // another key than in known_hosts, or revoked
	ReasonConfig         Reason = "ssh config"       // ssh is missing or refuses its configuration
	ReasonLost           Reason = "connection lost"  // broke after login

	ReasonTimeout  Reason = "timeout"   // connected, and then nothing
	ReasonNoShell  Reason = "no shell"  // the user's login shell runs no commands
	ReasonSudo     Reason = "sudo"      // sudo is missing, refuses, or wants another password
	ReasonArch     Reason = "arch"      // no program for its architecture or system
	ReasonNoExec   Reason = "noexec"    // programs cannot be run from the base directory
	ReasonReadOnly Reason = "read-only" // the base directory cannot be written
	ReasonDisk     Reason = "disk full" // no space or quota for the program
	ReasonProgram  Reason = "program"   // the program did not arrive whole, or does not start
	ReasonExit     Reason = "exit"      // the session's command ended with a status of its own
	ReasonProtocol Reason = "protocol"  // the host's answers make no sense

	ReasonInterrupted Reason = "interrupted" // by us, before the agent ran
)

// An Error says why a session with a host failed.
type Error struct {
	Host   string // the host's name
	Reason Reason
	Detail string // one line: what ssh, the shell or sudo said; may be empty
	Err    error  // the cause, when there is one
}

func (e *Error) Error() string {
	parts := []string{string(e.Reason)}
	if e.Host != "" {
		parts = []string{e.Host, string(e.Reason)}
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the operator can do about it; it may be empty.
func (e *Error) Hint() string {
	switch e.Reason {
	case ReasonRefused:
		return "is sshd running there, and is the port right?"
	case ReasonName:
		return "give the host an address, or its name in /etc/hosts or ssh_config"
	case ReasonAuth:
		return "'ssh -o BatchMode=yes <host> true' must work, or give a password"
	case ReasonHostKeyUnknown:
		return "add its key to known_hosts, or use --accept-new-host-keys (it does not hold where a password is sent)"
	case ReasonHostKeyChanged:
		return "find out why; only then remove the old key with 'ssh-keygen -R <host>'"
	case ReasonNoShell:
		return "give the user a login shell such as /bin/sh"
	case ReasonSudo:
		return "the user needs sudo rights without a password, or give the right password for --become"
	case ReasonArch:
		return "put a program for that architecture into --program-dir"
	case ReasonNoExec:
		return "choose a base directory on a file system that is not mounted noexec"
	case ReasonReadOnly:
		return "choose a base directory that the user can write, and nobody else"
	case ReasonDisk:
		return "free some space in the base directory's file system"
	}
	return ""
}

// ExitError returns the error for a command that ended with a status of its
// own; the last line of stderr is its detail. Status -1 stands for a signal.
func ExitError(host string, status int, stderr string) *Error {
	detail := fmt.Sprintf("status %d", status)
	if status < 0 {
		detail = "ended by a signal"
	}
	if last := lastLine(stderr); last != "" {
		detail += ": " + last
	}
	return &Error{Host: host, Reason: ReasonExit, Detail: detail}
}
