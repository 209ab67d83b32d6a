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
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

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
	begin := time.Now()
	d.close()
	if took := time.Since(begin); took >= helperTimeout {
		t.Errorf("close waited %v for a helper that says nothing", took)
	}
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
