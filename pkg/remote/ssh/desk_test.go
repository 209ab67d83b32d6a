package ssh

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

func TestPrompts(t *testing.T) {
	who := account{user: "root", target: "10.0.0.1"}
	tests := []struct {
		prompt string
		want   bool
	}{
		{"root@10.0.0.1's password: ", true},
		{"(root@10.0.0.1) Password: ", true},
		{"(root@10.0.0.1) Password:", true},
		{"root@10.0.0.10's password: ", false},
		{"root@jump's password: ", false},
		{"(root@jump) Password: ", false},
		{"admin@10.0.0.1's password: ", false},
		{"Password: ", false}, // any server can make ssh show this
		{"(root@jump) root@10.0.0.1's password: ", false},
		{"(root@10.0.0.1) Verification code: ", false},
		{"(root@10.0.0.1) Current password: ", false},
		{"Enter passphrase for key '/root/.ssh/id_ed25519': ", false},
		{"The authenticity of host '10.0.0.1 (10.0.0.1)' can't be established.\n" +
			"ED25519 key fingerprint is SHA256:abc.\nAre you sure you want to continue connecting (yes/no/[fingerprint])? ", false},
		{"Please type 'yes', 'no' or the fingerprint: ", false},
		{"root@10.0.0.1's password: \nroot@10.0.0.1's password: ", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := who.asksFor(tt.prompt); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.prompt, got, tt.want)
		}
	}
	v6 := account{user: "kolla", target: "FE80::1%eth0"}
	if !v6.asksFor("kolla@fe80::1%eth0's password: ") {
		t.Error("ssh writes names in lower case")
	}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d, err := openDesk(account{"root", "node-1"}, remote.NewSecret("Marker-1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	d.open(os.Getppid()) // the tests ask for themselves
	return d
}

func TestDeskGivesThePasswordOnce(t *testing.T) {
	d := newDesk(t)
	ask := func(prompt string) (string, error) {
		var out bytes.Buffer
		err := Askpass(d.socket, []string{prompt}, &out)
		return out.String(), err
	}
	if got, err := ask("root@jump's password: "); !errors.Is(err, ErrNoPassword) || got != "" {
		t.Errorf("a jump host got %q and %v", got, err)
	}
	if got, err := ask(strings.Repeat("x", 2*promptBytes)); err == nil || got != "" {
		t.Errorf("a long prompt got %q and %v", got, err)
	}
	if got, err := ask("root@node-1's password: "); err != nil || got != "Marker-1\n" {
		t.Errorf("got %q and %v, want the password", got, err)
	}
	if got, err := ask("root@node-1's password: "); !errors.Is(err, ErrNoPassword) || got != "" {
		t.Errorf("a second prompt got %q and %v", got, err)
	}
}

func TestAskpassWantsAPrompt(t *testing.T) {
	d := newDesk(t)
	prompt := "root@node-1's password: "
	var out bytes.Buffer
	for _, args := range [][]string{nil, {prompt, prompt}} {
		if err := Askpass(d.socket, args, &out); !errors.Is(err, ErrNoPassword) || out.Len() > 0 {
			t.Errorf("%q: got %q and %v", args, out.String(), err)
		}
	}
	t.Setenv("SSH_ASKPASS_PROMPT", "confirm")
	if err := Askpass(d.socket, []string{prompt}, &out); !errors.Is(err, ErrNoPassword) || out.Len() > 0 {
		t.Errorf("a confirmation got %q and %v", out.String(), err)
	}
}

func TestDeskIsPrivate(t *testing.T) {
	d := newDesk(t)
	for path, want := range map[string]fs.FileMode{
		d.dir:    fs.ModeDir | 0o700,
		d.socket: fs.ModeSocket | 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v and %v, want %v", path, info.Mode(), err, want)
		}
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if peer, err := peerOf(conn); err != nil || int(peer.Uid) != os.Geteuid() || int(peer.Pid) != os.Getpid() {
		t.Errorf("got %+v and %v, want ourselves", peer, err)
	}
	d.close()
	if _, err := os.Stat(d.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want the directory gone", err)
	}
}

// The prompt of another ssh may look the same: a jump host's, for one.
func TestDeskServesOneSSH(t *testing.T) {
	d, err := openDesk(account{"root", "node-1"}, remote.NewSecret("Marker-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.open(os.Getpid()) // but the test is a child of another
	var out bytes.Buffer
	err = Askpass(d.socket, []string{"root@node-1's password: "}, &out)
	if !errors.Is(err, ErrNoPassword) || out.Len() > 0 {
		t.Errorf("got %q and %v", out.String(), err)
	}
}

// A unix socket's name is short; a TMPDIR may be long.
func TestDeskInALongDirectory(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	newDesk(t)
}

func TestParseAccount(t *testing.T) {
	tests := []struct {
		config string
		want   account
	}{
		{"host n1\nuser kolla\nhostname 10.0.0.1\nport 22\n", account{"kolla", "10.0.0.1"}},
		{"user root\nhostname 10.0.0.1\nhostkeyalias node-1\n", account{"root", "node-1"}},
		{"user root\n", account{}},
		{"", account{}},
	}
	for _, tt := range tests {
		got, err := parseAccount(tt.config)
		if (err == nil) != (tt.want.target != "") || err == nil && got != tt.want {
			t.Errorf("%q: got %v and %v, want %v", tt.config, got, err, tt.want)
		}
	}
}
