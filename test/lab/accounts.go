package lab

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// An account is a line of a host's passwd and what its groups say.
type account struct {
	Name, Home, Shell string
	UID, GID          uint32
	Groups            []uint32
}

// lookAccount reads the passwd and group of the calling thread's host.
func lookAccount(name string) (account, error) {
	if name == "" {
		name = "root"
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return account{}, err
	}
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 || f[0] != name {
			continue
		}
		a := account{Name: name, UID: number(f[2]), GID: number(f[3]), Home: f[5], Shell: f[6]}
		a.Groups, err = groupsOf(name)
		return a, err
	}
	return account{}, fmt.Errorf("no user %s", name)
}

func groupsOf(name string) ([]uint32, error) {
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for line := range strings.Lines(string(groups)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 4 {
			continue
		}
		for _, member := range strings.Split(f[3], ",") {
			if member == name {
				ids = append(ids, number(f[2]))
			}
		}
	}
	return ids, nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

func number64(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func (a account) env() []string {
	return []string{"PATH=" + hostPath, "HOME=" + a.Home, "USER=" + a.Name,
		"LOGNAME=" + a.Name, "SHELL=" + a.Shell, "LANG=C.UTF-8", "TERM=dumb"}
}

func (a account) credential() *syscall.Credential {
	return &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
}

// Sudo says what a user may do with sudo.
type Sudo int

const (
	SudoNone     Sudo = iota // nothing
	SudoPassword             // everything, with the user's password
	SudoFree                 // everything, without one
)

// A User is an account to make.
type User struct {
	Name     string
	Password string // none means that there is no way in by password
	Sudo     Sudo
	Shell    string   // /bin/bash by default
	Groups   []string // such as docker
}

// AddUser makes an account with a home.
func (h *Host) AddUser(ctx context.Context, u User) error {
	shell := u.Shell
	if shell == "" {
		shell = "/bin/bash"
	}
	args := []string{"useradd", "--create-home", "--shell", shell}
	if len(u.Groups) > 0 {
		args = append(args, "--groups", strings.Join(u.Groups, ","))
	}
	if r := h.Run(ctx, append(args, u.Name)...); !r.OK() {
		return fmt.Errorf("adding user %s on %s: %v", u.Name, h.Name(), r)
	}
	if u.Password != "" {
		if err := h.SetPassword(ctx, u.Name, u.Password); err != nil {
			return err
		}
	}
	rule := map[Sudo]string{
		SudoPassword: u.Name + " ALL=(ALL:ALL) ALL\n",
		SudoFree:     u.Name + " ALL=(ALL:ALL) NOPASSWD: ALL\n",
	}[u.Sudo]
	if rule == "" {
		return nil
	}
	return h.WriteFile("/etc/sudoers.d/"+u.Name, []byte(rule), 0o440)
}

// SetPassword sets the password of an account.
func (h *Host) SetPassword(ctx context.Context, user, password string) error {
	r := h.RunCmd(ctx, Cmd{Args: []string{"chpasswd"}, Stdin: strings.NewReader(user + ":" + password + "\n")})
	if !r.OK() {
		return fmt.Errorf("setting a password on %s: %v", h.Name(), r)
	}
	return nil
}
