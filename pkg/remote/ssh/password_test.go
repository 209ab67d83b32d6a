package ssh_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
)

// What the real ssh asks for is what the helper answers. An sshd that is not
// root's can check no password, so it is refused here; the lab has the rest.
func TestPasswordIsSentToTheTarget(t *testing.T) {
	s := newServer(t, serverConfig{passwords: true})
	record := filepath.Join(s.dir, "prompts")
	helper := s.write(t, "helper", "#!/bin/sh\necho \"$1\" >>"+record+"\n"+
		os.Args[0]+` "$1" >`+filepath.Join(s.dir, "answer")+" && cat "+filepath.Join(s.dir, "answer")+"\n")
	if err := os.Chmod(helper, 0o700); err != nil {
		t.Fatal(err)
	}
	c := s.config()
	c.Identity = s.newKey(t, "stranger")
	c.User, c.Password, c.AskpassProgram = "root", remote.NewSecret("Marker-1"), helper
	wantReason(t, c, remote.ReasonAuth)
	if got := s.read(t, "prompts"); got != "root@127.0.0.1's password: \n" {
		t.Errorf("ssh asked %q", got)
	}
	if got := s.read(t, "answer"); got != "Marker-1\n" {
		t.Errorf("the helper gave %q", got)
	}
}

// The passphrase of a key is asked for first, and not answered.
func TestPasswordIsNoPassphrase(t *testing.T) {
	s := newServer(t, serverConfig{})
	c := s.config()
	c.Identity = s.newLockedKey(t, "locked")
	c.Password = remote.NewSecret("Marker-1")
	wantReason(t, c, remote.ReasonAuth)
}

// fakeSSH stands for an ssh that has asked for the password and is connected:
// it says so and runs the command.
const fakeSSH = `#!/bin/sh
for last; do case $last in -G) echo user root; echo hostname node-1; exit;; esac; done
"$SSH_ASKPASS" "root@jump's password: " && echo the jump host got it
password=$("$SSH_ASKPASS" "root@node-1's password: ") || exit 1
echo "${#password}"
exec sh -c "$last"
`

// Fault 77, T12: while a session runs, no process shows the password.
func TestFault77PasswordIsNowhere(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(program, []byte(fakeSSH), 0o700); err != nil {
		t.Fatal(err)
	}
	const marker = "Marker-that-nobody-sees"
	h := newHost(t, ssh.Config{Name: "node-1", Program: program, Password: remote.NewSecret(marker)})
	session, err := h.Start(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Kill)
	line := make([]byte, 3)
	if _, err := io.ReadFull(session.Stdout, line); err != nil || string(line) != "23\n" {
		t.Fatalf("got %q and %v, want the length of the password; stderr: %s", line, err, session.Stderr())
	}
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/proc/[0-9]*/environ"} {
		files, _ := filepath.Glob(pattern)
		if len(files) == 0 {
			t.Fatalf("no %s", pattern)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(marker)) {
				t.Errorf("%s shows the password: %q", file, text)
			}
		}
	}
	_ = session.Stdin.Close()
	if err := session.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(session.Stderr(), marker) {
		t.Errorf("it is in %q", session.Stderr())
	}
}
