package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	hostKeyPath    = "/etc/ssh/lab_host_key"
	sshdConfigPath = "/etc/ssh/sshd_config"
)

// sshdConfig is Debian's, but for the host key: root may log in with a
// password, because Daisy's hosts are installed so.
const sshdConfig = `HostKey ` + hostKeyPath + `
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
`

func (h *Host) furnishSSH(ctx context.Context) error {
	if err := h.WriteFile(sshdConfigPath, []byte(sshdConfig), 0o644); err != nil {
		return err
	}
	return h.newHostKey(ctx)
}

func (h *Host) newHostKey(ctx context.Context) error {
	return h.Shell(ctx, "rm -f "+hostKeyPath+"*; ssh-keygen -q -t ed25519 -N '' -C "+h.Name()+" -f "+hostKeyPath)
}

// HostKey is the host's public key, "ssh-ed25519 AAAA...".
func (h *Host) HostKey() (string, error) { return h.publicKey(hostKeyPath + ".pub") }

func (h *Host) publicKey(path string) (string, error) {
	data, err := h.ReadFile(path)
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(data))
	if len(f) < 2 {
		return "", fmt.Errorf("%s on %s is no public key", path, h.Name())
	}
	return f[0] + " " + f[1], nil
}

// ChangeHostKey gives the host another host key, as an installation does.
func (h *Host) ChangeHostKey(ctx context.Context) error {
	if err := h.newHostKey(ctx); err != nil {
		return err
	}
	return h.ConfigureSSH(ctx, "")
}

// ConfigureSSH restarts sshd with lines that win over the host's usual ones.
func (h *Host) ConfigureSSH(ctx context.Context, lines string) error {
	h.StopSSH()
	if err := h.WriteFile(sshdConfigPath, []byte(lines+sshdConfig), 0o644); err != nil {
		return err
	}
	return h.StartSSH(ctx)
}

// StartSSH starts sshd and waits until it takes connections.
func (h *Host) StartSSH(ctx context.Context) error {
	p, err := h.Start(Cmd{Args: []string{"/usr/sbin/sshd", "-D", "-e", "-f", sshdConfigPath}})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.sshd = p
	h.mu.Unlock()
	return h.await(ctx, p, func() error { return h.dialHere("tcp", "127.0.0.1:22") })
}

// StopSSH stops sshd, so that connections are refused. Sessions go on.
func (h *Host) StopSSH() {
	h.mu.Lock()
	p := h.sshd
	h.sshd = nil
	h.mu.Unlock()
	if p != nil {
		p.Stop(time.Second)
	}
}

// dialHere connects within the host and hangs up.
func (h *Host) dialHere(network, address string) error {
	return h.Within(func() error {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// await waits until try succeeds, or p ends, or ctx does.
func (h *Host) await(ctx context.Context, p *Process, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it ended: %v", p.Wait())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w", p.args[0], ctx.Err()), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serviceTimeout bounds the start of a daemon on a busy machine.
const serviceTimeout = 60 * time.Second

// Operator makes user's key on this host and lets it into the targets' accounts
// called remote. The targets' host keys become known, by address and by name.
func (h *Host) Operator(ctx context.Context, user, remote string, targets ...*Host) error {
	pub, err := h.NewKey(ctx, user)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := t.Authorize(remote, pub); err != nil {
			return err
		}
	}
	return h.Trust(user, targets...)
}

// NewKey makes user's SSH key, unless it is there, and returns the public one.
func (h *Host) NewKey(ctx context.Context, user string) (string, error) {
	home, err := h.home(user)
	if err != nil {
		return "", err
	}
	key := filepath.Join(home, ".ssh/id_ed25519")
	r := h.RunCmd(ctx, Cmd{User: user, Args: []string{"sh", "-ec",
		"umask 077; mkdir -p ~/.ssh; [ -e " + key + " ] || ssh-keygen -q -t ed25519 -N '' -f " + key}})
	if !r.OK() {
		return "", fmt.Errorf("making a key on %s: %v", h.Name(), r)
	}
	return h.publicKey(key + ".pub")
}

// Authorize lets the owner of a public key into an account.
func (h *Host) Authorize(user, publicKey string) error {
	return h.appendAs(user, ".ssh/authorized_keys", publicKey+"\n")
}

// Trust writes the host keys of others into user's known_hosts.
func (h *Host) Trust(user string, others ...*Host) error {
	var lines strings.Builder
	for _, o := range others {
		key, err := o.HostKey()
		if err != nil {
			return err
		}
		names := []string{o.Name()}
		for _, network := range o.cfg.Networks {
			names = append(names, o.AddrOn(network).String())
		}
		fmt.Fprintf(&lines, "%s %s\n", strings.Join(names, ","), key)
	}
	return h.appendAs(user, ".ssh/known_hosts", lines.String())
}

// Forget empties user's known_hosts.
func (h *Host) Forget(user string) error {
	home, err := h.home(user)
	if err != nil {
		return err
	}
	return h.WriteFile(filepath.Join(home, ".ssh/known_hosts"), nil, 0o644)
}

func (h *Host) home(user string) (string, error) {
	var a account
	err := h.Within(func() (err error) {
		a, err = lookAccount(user)
		return err
	})
	return a.Home, err
}

// appendAs appends to a file below user's home, which stays user's.
func (h *Host) appendAs(user, name, text string) error {
	return h.Within(func() error {
		a, err := lookAccount(user)
		if err != nil {
			return err
		}
		path := filepath.Join(a.Home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close(), unix.Chown(path, int(a.UID), int(a.GID)),
			unix.Chown(filepath.Dir(path), int(a.UID), int(a.GID)))
	})
}
