package remote_test

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/remotetest"
)

// fakeSudo behaves as sudo does; its first line sets mode to one of
//
//	nopasswd  never asks
//	asks      asks for Marker-1, three times
//	odd       -n is refused, and then nothing is asked
//	custom    asks with a prompt of PAM's own
const fakeSudo = `
quiet=; prompt=
while :; do case $1 in
	-n) quiet=1; shift;;
	-S|-k) shift;;
	-p) prompt=$2; shift 2;;
	*) break;;
esac; done
case $mode in nopasswd) exec "$@";; esac
case $quiet in 1) echo "sudo: a password is required" >&2; exit 1;; esac
case $mode in odd) exec "$@";; custom) prompt="One-time code: ";; esac
for try in 1 2 3; do
	printf "%s" "$prompt" >&2
	read -r password || exit 1
	case $password in Marker-1) exec "$@";; esac
	echo "Sorry, try again." >&2
done
exit 1
`

// user makes n's user one that is not root, until sudo runs.
func newUser(t *testing.T, mode string) *node {
	t.Helper()
	n := newNode(t)
	n.install(t, "id", "echo 1000")
	n.install(t, "sudo", "mode="+mode+fakeSudo)
	return n
}

func become(t *testing.T, password string) remote.Options {
	o := remotetest.Options(t)
	o.Become = remote.BecomeSudo
	o.BecomePassword = remote.NewSecret(password)
	return o
}

func TestR2Sudo(t *testing.T) {
	tests := []struct {
		name, mode, password string
		detail               string // of reason sudo; empty for success
	}{
		{"none needed none given", "nopasswd", "", ""},
		{"none needed one given", "nopasswd", "Marker-1", ""},
		{"password", "asks", "Marker-1", ""},
		{"nothing asked in the end", "odd", "Marker-1", ""},
		{"no password given", "asks", "", "a password is required"},
		{"wrong password", "asks", "wrong", "the password was not accepted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _, err := newUser(t, tt.mode).bootstrap(t, become(t, tt.password))
			if tt.detail != "" {
				wantReason(t, err, remote.ReasonSudo, tt.detail)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if said := s.Stderr(); said != "" {
				t.Errorf("stderr is %q", said)
			}
			remotetest.Converse(t, s) // which would show a password that was left over
		})
	}
}

// What asks in other words than ours gets no password.
func TestR2SudoWithItsOwnPrompt(t *testing.T) {
	o := become(t, "Marker-1")
	o.Patience = 2 * time.Second // in which each step before has answered
	_, _, err := newUser(t, "custom").bootstrap(t, o)
	wantReason(t, err, remote.ReasonSudo, "One-time code:")
}

func TestR2SudoRefuses(t *testing.T) {
	n := newUser(t, "asks")
	n.install(t, "sudo", "echo sudo: you must have a tty to run sudo >&2; exit 1")
	_, _, err := n.bootstrap(t, become(t, "Marker-1"))
	wantReason(t, err, remote.ReasonSudo, "sudo: sudo: you must have a tty")
}

// Root does not ask sudo, which may not be there.
func TestR2RootNeedsNoSudo(t *testing.T) {
	n := newUser(t, "asks")
	n.install(t, "id", "echo 0")
	n.install(t, "sudo", "exit 1")
	s, facts, err := n.bootstrap(t, become(t, "Marker-1"))
	if err != nil || facts.UID != 0 {
		t.Fatalf("got %+v and %v", facts, err)
	}
	remotetest.Converse(t, s)
}

// The password goes to sudo's prompt only, not to a login shell that shows the
// command, prompt and all, on its standard error.
func TestR2ShellThatShowsThePrompt(t *testing.T) {
	n := newUser(t, "nopasswd")
	n.prologue = "set -xv"
	s, _, err := n.bootstrap(t, become(t, "Marker-1"))
	if err != nil {
		t.Fatal(err)
	}
	remotetest.Converse(t, s)
}
