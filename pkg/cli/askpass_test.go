package cli

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
)

func TestAskpassIsForSSHOnly(t *testing.T) {
	var out, errw bytes.Buffer
	if _, isHelper := askpass([]string{"version"}, &out, &errw); isHelper {
		t.Error("the program takes itself for ssh's helper")
	}
	t.Setenv(ssh.AskpassEnv, filepath.Join(t.TempDir(), "no-socket"))
	code, isHelper := askpass([]string{"root@node-1's password: "}, &out, &errw)
	if !isHelper || code == ExitOK || out.Len() > 0 || errw.Len() == 0 {
		t.Errorf("got %d, %v, %q and %q, want that ssh is told", code, isHelper, &out, &errw)
	}
}
