package ssh_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/remotetest"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote/ssh"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// TestMain lets the test binary be ssh's helper, as our own binary is.
func TestMain(m *testing.M) {
	if socket, isHelper := os.LookupEnv(ssh.AskpassEnv); isHelper {
		os.Exit(askpass(socket))
	}
	os.Exit(m.Run())
}

// recordEnv names a file to which the helper adds what it was asked and gave.
const recordEnv = "DAISY_TEST_RECORD"

func askpass(socket string) (code int) {
	var answer bytes.Buffer
	if ssh.Askpass(socket, os.Args[1:], &answer) != nil {
		code = 1
	}
	_, _ = os.Stdout.Write(answer.Bytes())
	if f, err := os.OpenFile(os.Getenv(recordEnv), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(f, "%q %q\n", os.Args[1:], answer.String())
		_ = f.Close()
	}
	return code
}

func newHost(t *testing.T, c ssh.Config) *ssh.Host {
	t.Helper()
	h, err := ssh.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	remotetest.Run(t, func(t *testing.T) remote.Host { return newHost(t, s.config()) })
}

// reasonOf runs true on the host and returns why it cannot.
func reasonOf(t *testing.T, c ssh.Config) *remote.Error {
	t.Helper()
	s, err := newHost(t, c).Start(t.Context(), "true")
	if err == nil {
		err = s.Wait()
	}
	if err == nil {
		return &remote.Error{}
	}
	var e *remote.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *remote.Error", err)
	}
	return e
}

func wantReason(t *testing.T, c ssh.Config, want remote.Reason) {
	t.Helper()
	if got := reasonOf(t, c); got.Reason != want {
		t.Errorf("got %v, want %q", got, want)
	}
}

func TestFault64UnknownHostKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	s.knowKey(t, "")
	wantReason(t, s.config(), remote.ReasonHostKeyUnknown)

	// R2: not the operator's options either, and not where a password is sent.
	c := s.config()
	c.Options = []string{"StrictHostKeyChecking=no"}
	wantReason(t, c, remote.ReasonHostKeyUnknown)
	c.AcceptNewHostKeys, c.SendsSecrets = true, true
	wantReason(t, c, remote.ReasonHostKeyUnknown)
	c.SendsSecrets, c.Password = false, remote.NewSecret("Marker-1")
	wantReason(t, c, remote.ReasonHostKeyUnknown)
	if got := s.read(t, "known_hosts"); got != "" {
		t.Errorf("known_hosts has got %q", got)
	}
}

func TestR2AcceptedHostKeyIsLogged(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	s.knowKey(t, "")
	var log bytes.Buffer
	c := s.config()
	c.AcceptNewHostKeys, c.Log = true, slog.New(slog.NewTextHandler(&log, nil))
	wantReason(t, c, "")
	if got := s.read(t, "known_hosts"); !strings.Contains(got, "ed25519") {
		t.Errorf("known_hosts is %q, want the key", got)
	}
	if got := log.String(); strings.Count(got, "accepted a new host key") != 1 || !strings.Contains(got, "node-1") {
		t.Errorf("the log is %q", got)
	}
	wantReason(t, s.config(), "") // and from now on it is known
}

func TestFault64ChangedHostKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	s.newKey(t, "other")
	s.knowKey(t, s.read(t, "other.pub"))
	wantReason(t, s.config(), remote.ReasonHostKeyChanged)
	c := s.config()
	c.AcceptNewHostKeys = true
	c.Options = []string{"StrictHostKeyChecking=no"}
	wantReason(t, c, remote.ReasonHostKeyChanged)
}

func TestFault64Auth(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	c := s.config()
	c.Identity = s.newKey(t, "stranger")
	wantReason(t, c, remote.ReasonAuth)
	c.Password = remote.NewSecret("Marker-1") // this server takes none
	wantReason(t, c, remote.ReasonAuth)
}

func TestFault64Refused(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	c := s.config()
	c.Port = int(port.Free(t))
	wantReason(t, c, remote.ReasonRefused)
}

// A port that accepts and says nothing.
func TestFault64Silent(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := s.config()
	c.Port = ln.Addr().(*net.TCPAddr).Port
	c.ConnectTimeout = 1 // rounded up to ssh's unit, a second
	wantReason(t, c, remote.ReasonUnreachable)
}

func TestFault64UnknownName(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	c := s.config()
	c.Options = []string{"AddressFamily=inet6"} // of 127.0.0.1: without a name server
	wantReason(t, c, remote.ReasonName)
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	c := s.config()
	c.Options = []string{"NoSuchOption=yes"}
	wantReason(t, c, remote.ReasonConfig)
	c = s.config()
	c.Program = filepath.Join(t.TempDir(), "no-ssh")
	wantReason(t, c, remote.ReasonConfig)
}

// A login shell that prints before, between and without line ends.
func TestFault64Noise(t *testing.T) {
	t.Parallel()
	shell := `printf "Welcome to %065000d" 0; echo; echo news; printf "prompt> "; echo warning >&2; ` +
		`exec sh -c "$SSH_ORIGINAL_COMMAND"`
	s := newServer(t, serverConfig{forced: shell, banner: "ssh: connect to host x: Connection refused\n"})
	session, _, err := remote.Bootstrap(t.Context(), newHost(t, s.config()), remotetest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Kill)
	remotetest.Converse(t, session)
}

// A shell that prints the commands that it runs must not forge our marks.
func TestFault64ShellEchoes(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{forced: `exec 2>&1; set -xv; echo "$SSH_ORIGINAL_COMMAND"; eval "$SSH_ORIGINAL_COMMAND"`})
	session, _, err := remote.Bootstrap(t.Context(), newHost(t, s.config()), remotetest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Kill)
	remotetest.Converse(t, session)
}

func TestFault64NoShell(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{forced: `echo This account is not available.; exit 1`})
	_, _, err := remote.Bootstrap(t.Context(), newHost(t, s.config()), remotetest.Options(t))
	want := "node-1: no shell: This account is not available."
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLostConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{forced: `(eval "$SSH_ORIGINAL_COMMAND"); kill -9 $PPID`})
	session, _, err := remote.Bootstrap(t.Context(), newHost(t, s.config()), remotetest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = session.Stdin.Close()
	var e *remote.Error
	if err := session.Wait(); !errors.As(err, &e) || e.Reason != remote.ReasonLost {
		t.Errorf("got %v, want that the connection is lost", err)
	}
}

// Fault 63: such names never reach ssh.
func TestFault63BadNames(t *testing.T) {
	t.Parallel()
	good := ssh.Config{Name: "n", Address: "192.0.2.1"}
	bad := map[string]func(*ssh.Config){}
	for _, a := range []string{"-oProxyCommand=touch x", "-l", ";rm", "a;rm -rf ~", "a b", "$(id)", "`id`", "a\nb", "a|b",
		"u@host", "ssh://host", "fe80::1%-x", "fe80::1%$(id)", "[::1]", "", strings.Repeat("a", 300)} {
		bad["address "+a] = func(c *ssh.Config) { c.Name, c.Address = a, a }
	}
	for _, u := range []string{"-oX", "a b", "$(id)", "a;b", "a\nb"} {
		bad["user "+u] = func(c *ssh.Config) { c.User = u }
	}
	for _, o := range []string{"", "-F", "ProxyCommand", "=x", "User=a\nProxyCommand=b"} {
		bad["option "+o] = func(c *ssh.Config) { c.Options = []string{o} }
	}
	bad["port"] = func(c *ssh.Config) { c.Port = 65536 }
	bad["identity"] = func(c *ssh.Config) { c.Identity = "-x" }
	bad["password"] = func(c *ssh.Config) { c.Password = remote.NewSecret("a\nb") }
	for name, change := range bad {
		c := good
		change(&c)
		var e *remote.Error
		if _, err := ssh.New(c); !errors.As(err, &e) || e.Reason != remote.ReasonConfig {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	for _, a := range []string{"node-1", "node_1.example.org", "10.0.0.1", "fe80::1%eth0.5", "::1"} {
		c := good
		c.Address = a
		if _, err := ssh.New(c); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// The words of a command reach the host as they are, and so do odd ones of ours.
func TestCommandIsNotExpanded(t *testing.T) {
	t.Parallel()
	s := newServer(t, serverConfig{})
	word := `$(id) ~ * "quoted" & ; | < > # {a,b} %h ^x`
	command, err := remote.Command(`printf "%s|" "$@"`, word, "", "-n")
	if err != nil {
		t.Fatal(err)
	}
	session, err := newHost(t, s.config()).Start(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(session.Stdout)
	if want := fmt.Sprintf("%s||-n|", word); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
