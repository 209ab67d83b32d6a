package ssh_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
)

const sshdProgram = "/usr/sbin/sshd"

// A server is a real sshd on a loopback address for the current user, with
// keys of its own. The test's own listener takes the connections and gives each
// to an sshd of its own (as inetd did), so there is no port to guess and
// nothing to wait for.
type server struct {
	dir     string
	port    int
	userKey string
	hostKey string // the public one
}

// A serverConfig is what differs from a plain server.
type serverConfig struct {
	forced string // a shell command that runs in place of what is asked for
	banner string

	passwords bool // asks for them; it can check none
}

func newServer(t *testing.T, c serverConfig) *server {
	t.Helper()
	if _, err := os.Stat(sshdProgram); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no sshd here: install openssh-server")
		}
		t.Skip("no sshd here: not run against a real server")
	}
	if os.Getuid() == 0 { // as the service does before it starts
		if err := os.Mkdir("/run/sshd", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	s := &server{dir: t.TempDir()}
	s.userKey = s.newKey(t, "user")
	private := s.newKey(t, "host")
	s.hostKey = s.read(t, "host.pub")
	s.write(t, "authorized_keys", s.read(t, "user.pub"))
	config := []string{
		"HostKey " + private,
		"AuthorizedKeysFile " + filepath.Join(s.dir, "authorized_keys"),
		"PidFile none", "UsePAM no", "StrictModes no", "PasswordAuthentication " + yesNo(c.passwords),
		"KbdInteractiveAuthentication no", "PermitRootLogin yes",
		"KexAlgorithms curve25519-sha256", // the cheapest
		// What the tester's own bash reads at each login may talk, and as many at a time
		// as tests are run may be in each other's way.
		"SetEnv HOME=" + t.TempDir(),
	}
	if c.forced != "" {
		config = append(config, "ForceCommand "+c.forced)
	}
	if c.banner != "" {
		config = append(config, "Banner "+s.write(t, "banner", c.banner))
	}
	s.write(t, "sshd_config", strings.Join(config, "\n")+"\n")
	s.listen(t)
	s.knowKey(t, s.hostKey)
	return s
}

// knowKey makes key the one that known_hosts has for the server; none if empty.
func (s *server) knowKey(t *testing.T, key string) {
	t.Helper()
	line := ""
	if key != "" {
		line = fmt.Sprintf("[127.0.0.1]:%d %s", s.port, key)
	}
	s.write(t, "known_hosts", line)
	s.write(t, "ssh_config", fmt.Sprintf(
		"Host *\n UserKnownHostsFile %s/known_hosts\n GlobalKnownHostsFile none\n IdentityAgent none\n", s.dir))
}

// config reaches the server.
func (s *server) config() ssh.Config {
	return ssh.Config{
		Name: "node-1", Address: "127.0.0.1", Port: s.port,
		Identity: s.userKey, ConfigFile: filepath.Join(s.dir, "ssh_config"),
	}
}

func (s *server) newKey(t *testing.T, name string) string {
	t.Helper()
	return s.keygen(t, name, "")
}

// newLockedKey makes a key that can be used with a passphrase only.
func (s *server) newLockedKey(t *testing.T, name string) string {
	t.Helper()
	return s.keygen(t, name, "a passphrase")
}

func (s *server) keygen(t *testing.T, name, passphrase string) string {
	t.Helper()
	file := filepath.Join(s.dir, name)
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return file
}

func (s *server) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *server) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *server) listen(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = ln.Addr().(*net.TCPAddr).Port
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(t, conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		running.Wait()
	})
}

// serve runs an sshd until the connection ends.
func (s *server) serve(t *testing.T, conn *net.TCPConn) {
	defer conn.Close()
	f, err := conn.File()
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command(sshdProgram, "-i", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	cmd.Stdin, cmd.Stdout = f, f
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = f.Close()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
	_ = cmd.Wait() // sshd's status is that of its last quarrel with a client
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
