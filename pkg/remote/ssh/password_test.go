package ssh_test

import (
	"bytes"
	"fmt"
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
	t.Setenv(recordEnv, filepath.Join(s.dir, "record"))
	wantReason(t, s.passwordConfig(t), remote.ReasonAuth)
	if got, want := s.read(t, "record"), `["root@127.0.0.1's password: "] "Marker-1\n"`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A jump host gets nothing, though it has the target's name.
func TestPasswordIsNotForJumpHosts(t *testing.T) {
	s, jump := newServer(t, serverConfig{passwords: true}), newServer(t, serverConfig{passwords: true})
	s.write(t, "known_hosts", s.read(t, "known_hosts")+jump.read(t, "known_hosts"))
	t.Setenv(recordEnv, filepath.Join(s.dir, "record"))
	c := s.passwordConfig(t)
	c.Options = []string{fmt.Sprintf("ProxyJump=root@127.0.0.1:%d", jump.port)}
	wantReason(t, c, remote.ReasonAuth)
	if got := s.read(t, "record"); !strings.HasPrefix(got, `["root@127.0.0.1's password: "] ""`) || strings.Contains(got, "Marker") {
		t.Errorf("got %s", got)
	}
}

// The passphrase of a key is asked for first, and not answered.
func TestPasswordIsNoPassphrase(t *testing.T) {
	s := newServer(t, serverConfig{passwords: true})
	t.Setenv(recordEnv, filepath.Join(s.dir, "record"))
	c := s.passwordConfig(t)
	c.User, c.Identity = "", s.newLockedKey(t, "locked")
	s.write(t, "authorized_keys", s.read(t, "locked.pub"))
	wantReason(t, c, remote.ReasonAuth)
	passphrase, password, _ := strings.Cut(s.read(t, "record"), "\n")
	if !strings.HasPrefix(passphrase, `["Enter passphrase`) || !strings.HasSuffix(passphrase, ` ""`) ||
		!strings.Contains(password, "Marker-1") {
		t.Errorf("got %s and %s", passphrase, password)
	}
}

// passwordConfig reaches the server by password only.
func (s *server) passwordConfig(t *testing.T) ssh.Config {
	t.Helper()
	c := s.config()
	c.Identity = s.newKey(t, "stranger")
	c.User, c.Password = "root", remote.NewSecret("Marker-1")
	return c
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
