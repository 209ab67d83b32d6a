package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

const (
	promptBytes   = 1 << 10         // bounds a prompt
	secretBytes   = 1 << 10         // bounds a password
	helperTimeout = 5 * time.Second // bounds one exchange with a helper
	socketBytes   = 100             // a unix socket's name has 108 bytes at most
)

// A desk hands a password to the helper of one ssh, once. It listens on a
// socket that only this user can reach, in a directory of its own.
type desk struct {
	who    account
	dir    string
	socket string // path
	ln     *net.UnixListener
	client chan int // the process id of the ssh to serve; closed by close
	served sync.WaitGroup
	once   sync.Once

	password remote.Secret // serve's; empty once it was handed out

	mu     sync.Mutex
	conn   *net.UnixConn // the one that serve answers
	closed bool
}

func openDesk(who account, password remote.Secret) (*desk, error) {
	dir, err := privateDir()
	if err != nil {
		return nil, err
	}
	d := &desk{
		who: who, dir: dir, socket: filepath.Join(dir, "askpass"),
		client: make(chan int, 1), password: password,
	}
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

// open lets the helpers of the ssh with process id pid come. It is called at
// most once, and not after close.
func (d *desk) open(pid int) { d.client <- pid }

// serve answers one helper after the other until close.
func (d *desk) serve() {
	pid, isOpen := <-d.client
	for isOpen {
		conn, err := d.ln.AcceptUnix()
		if err != nil {
			return
		}
		if !d.take(conn) {
			return
		}
		_ = d.answer(conn, pid) // the helper tells ssh that it got nothing
		_ = conn.Close()
	}
}

// take makes conn the one that close ends; after close it ends it itself.
func (d *desk) take(conn *net.UnixConn) (isOpen bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = conn
	if d.closed {
		_ = conn.Close()
	}
	return !d.closed
}

var errRefused = errors.New("refused")

// answer hands the password out if the target's own ssh asks for it. A jump
// host's ssh does not: it is another process, though its prompt may look the
// same (the same address with another port, say).
func (d *desk) answer(conn *net.UnixConn, client int) error {
	if err := conn.SetDeadline(time.Now().Add(helperTimeout)); err != nil {
		return err
	}
	prompt, err := io.ReadAll(io.LimitReader(conn, promptBytes))
	if err != nil || !d.who.asksFor(string(prompt)) {
		return errors.Join(errRefused, err)
	}
	peer, err := peerOf(conn)
	if err != nil || int(peer.Uid) != os.Geteuid() {
		return errors.Join(errRefused, err)
	}
	if parent, err := parentOf(int(peer.Pid)); err != nil || parent != client {
		return errors.Join(errRefused, err)
	}
	password := d.password
	d.password = remote.Secret{}
	_, err = io.WriteString(conn, password.Reveal())
	return err
}

// close ends the desk and does not wait for helpers; it may be called often.
func (d *desk) close() {
	d.once.Do(func() {
		close(d.client)
		d.mu.Lock()
		d.closed = true
		if d.conn != nil {
			_ = d.conn.Close()
		}
		d.mu.Unlock()
		if d.ln != nil {
			_ = d.ln.Close()
		}
		d.served.Wait()
		_ = os.RemoveAll(d.dir)
	})
}

// peerOf returns the process that has opened the other end.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, optErr)
}

// parentOf returns the parent of a process.
func parentOf(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// "PID (NAME) STATE PARENT ...", and the name may be anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0, fmt.Errorf("the status of process %d has no parent", pid)
	}
	return strconv.Atoi(fields[1])
}
