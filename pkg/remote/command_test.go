package remote

import (
	"os/exec"
	"strings"
	"testing"
)

func TestCommandRefuses(t *testing.T) {
	for _, word := range []string{"it's", "hi!", `a\b`, "a\nb", "a\x00b", "\t"} {
		if got, err := Command("true", word); err == nil {
			t.Errorf("%q: got %s", word, got)
		}
		if got, err := Command(word); err == nil {
			t.Errorf("%q: got %s", word, got)
		}
	}
}

func TestScriptsAreQuotable(t *testing.T) {
	for _, script := range []string{agentScript, becomeScript, becomeQuietScript} {
		if _, err := Command(script); err != nil {
			t.Error(err)
		}
	}
}

// Whatever the login shell is, sh gets the words. Shells that are not here are
// left out: TestScriptsAreQuotable and TestCommandRefuses hold what they need.
func TestCommandInEveryLoginShell(t *testing.T) {
	words := []string{`$HOME "two  words" * ~ $(id) {a,b} ^x #`, "", "%5d"}
	want := strings.Join(words, "|") + "|"
	command, err := Command(`for w in "$@"; do printf "%s|" "$w"; done`, words...)
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"sh", "dash", "bash", "ksh", "zsh", "csh", "tcsh", "fish", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		args := []string{"-c", command}
		if shell == "busybox" {
			args = append([]string{"sh"}, args...)
		}
		if got, err := exec.Command(path, args...).Output(); err != nil || string(got) != want {
			t.Errorf("%s: got %q and %v, want %q", shell, got, err, want)
		}
	}
}
