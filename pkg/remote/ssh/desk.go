package ssh

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
	"golang.org/x/sys/unix"
)

const (
	promptBytes   = 1 << 10         // bounds a prompt
	secretBytes   = 1 << 10         // bounds a password
	helperTimeout = 5 * time.Second // bounds one exchange with a helper
	socketBytes   = 100             // a unix socket's name has 108 bytes at most
)

// An account is whom a password belongs to, as ssh names it in its prompts.
type account struct{ user, target string }

// asksFor reports whether prompt is the one with which ssh asks for the
// account's password, by either of its two methods. All others - a jump
// host's, a key's passphrase, a question about a host key - are not.
func (a account) asksFor(prompt string) bool {
	prompt = strings.TrimRight(prompt, " ")
	who := a.user + "@" + a.target
	return strings.EqualFold(prompt, who+"'s password:") ||
		strings.EqualFold(prompt, "("+who+") Password:")
}

// A desk hands a password to ssh's helper, once. It listens on a socket that
// only this user can reach, in a directory of its own.
type desk struct {
	who    account
	dir    string
	socket string // path
	ln     *net.UnixListener
	served sync.WaitGroup
	once   sync.Once

	mu       sync.Mutex
	password remote.Secret // empty once it was handed out
}

func openDesk(who account, password remote.Secret) (*desk, error) {
	dir, err := privateDir()
	if err != nil {
		return nil, err
	}
	d := &desk{who: who, dir: dir, socket: filepath.Join(dir, "askpass"), password: password}
	d.ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: d.socket, Net: "unix"})
	if err == nil {
		err = os.Chmod(d.socket, 0o600)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	d.served.Go(d.serve)
	return d, nil
}

// privateDir makes a directory of mode 0700 whose name is short enough.
func privateDir() (string, error) {
	base := os.TempDir()
	if len(base) > socketBytes/2 {
		base = "/tmp"
	}
	return os.MkdirTemp(base, "daisy-mcast-")
}

// serve answers one helper after the other until close.
func (d *desk) serve() {
	for {
		conn, err := d.ln.AcceptUnix()
		if err != nil {
			return
		}
		_ = d.answer(conn) // the helper tells ssh that it got nothing
		_ = conn.Close()
	}
}

var errRefused = errors.New("refused")

func (d *desk) answer(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(helperTimeout)); err != nil {
		return err
	}
	uid, err := peerUID(conn)
	if err != nil || uid != os.Geteuid() {
		return errors.Join(errRefused, err)
	}
	prompt, err := io.ReadAll(io.LimitReader(conn, promptBytes))
	if err != nil || !d.who.asksFor(string(prompt)) {
		return errors.Join(errRefused, err)
	}
	d.mu.Lock()
	password := d.password
	d.password = remote.Secret{}
	d.mu.Unlock()
	_, err = io.WriteString(conn, password.Reveal())
	return err
}

// close ends the desk; it may be called often.
func (d *desk) close() {
	d.once.Do(func() {
		if d.ln != nil {
			_ = d.ln.Close()
		}
		d.served.Wait()
		_ = os.RemoveAll(d.dir)
	})
}

// peerUID returns the user who has opened the other end.
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, optErr); err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
