package lab_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// sshWithPassword logs in as a person who types the password.
func sshWithPassword(t *testing.T, from *lab.Host, password string, args ...string) lab.Result {
	t.Helper()
	if err := from.WriteFile("/root/askpass", []byte("#!/bin/sh\necho '"+password+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return from.RunCmd(within(t, 30*time.Second), lab.Cmd{
		Args: append([]string{"ssh", "-o", "NumberOfPasswordPrompts=1"}, args...),
		Env:  []string{"SSH_ASKPASS=/root/askpass", "SSH_ASKPASS_REQUIRE=force"},
	})
}

func TestR2PasswordLoginAndSudo(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	ctx := within(t, 60*time.Second)
	deploy, h1 := l.Host("deploy"), l.Host("h1")
	if err := deploy.Trust("root", h1); err != nil {
		t.Fatal(err)
	}
	for _, u := range []lab.User{
		{Name: "plain", Password: "plain-secret"},
		{Name: "asked", Password: "asked-secret", Sudo: lab.SudoPassword},
		{Name: "free", Password: "free-secret", Sudo: lab.SudoFree},
	} {
		if err := h1.AddUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		target := u.Name + "@h1"
		if r := sshWithPassword(t, deploy, u.Password, target, "whoami"); r.Stdout != u.Name+"\n" {
			t.Errorf("login of %s: %v", u.Name, r)
		}
		if r := sshWithPassword(t, deploy, "wrong", target, "whoami"); r.OK() {
			t.Errorf("login of %s with a wrong password: %v", u.Name, r)
		}
		r := sshWithPassword(t, deploy, u.Password, target, "sudo -n whoami")
		if got, want := r.Stdout == "root\n", u.Sudo == lab.SudoFree; got != want {
			t.Errorf("sudo without a password of %s: %v", u.Name, r)
		}
		r = sshWithPassword(t, deploy, u.Password, target, "echo "+u.Password+" | sudo -S whoami")
		if got, want := r.Stdout == "root\n", u.Sudo != lab.SudoNone; got != want {
			t.Errorf("sudo with a password of %s: %v", u.Name, r)
		}
	}
}

func TestR2KeyboardInteractiveLogin(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	ctx := within(t, 60*time.Second)
	deploy, h1 := l.Host("deploy"), l.Host("h1")
	if err := h1.SetPassword(ctx, "root", "root-secret"); err != nil {
		t.Fatal(err)
	}
	err := h1.ConfigureSSH(ctx, "KbdInteractiveAuthentication yes\nPasswordAuthentication no\nPubkeyAuthentication no\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Trust("root", h1); err != nil {
		t.Fatal(err)
	}
	if r := sshWithPassword(t, deploy, "root-secret", "h1", "whoami"); r.Stdout != "root\n" {
		t.Error(r)
	}
}

// operatorAndHost is a host, and one from which root may log in to it.
func operatorAndHost(t *testing.T) (ctx context.Context, deploy, h1 *lab.Host) {
	t.Helper()
	l := lab.New(t, lab.Config{Hosts: hosts("deploy", "h1")})
	ctx = within(t, 30*time.Second)
	deploy, h1 = l.Host("deploy"), l.Host("h1")
	if err := deploy.Operator(ctx, "root", "root", h1); err != nil {
		t.Fatal(err)
	}
	return ctx, deploy, h1
}

func TestChangedHostKeyIsNoticed(t *testing.T) {
	t.Parallel()
	ctx, deploy, h1 := operatorAndHost(t)
	if err := h1.ChangeHostKey(ctx); err != nil {
		t.Fatal(err)
	}
	r := deploy.Run(ctx, "ssh", "-o", "BatchMode=yes", "h1", "true")
	if r.OK() || !strings.Contains(r.Stderr, "REMOTE HOST IDENTIFICATION HAS CHANGED") {
		t.Error(r)
	}
}

func TestR6ProxyReachesLogins(t *testing.T) {
	t.Parallel()
	ctx, deploy, h1 := operatorAndHost(t)
	if err := h1.SetProxy("http://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	if r := deploy.Run(ctx, "ssh", "h1", "echo $http_proxy $HTTPS_PROXY"); r.Stdout != "http://127.0.0.1:9 http://127.0.0.1:9\n" {
		t.Error(r)
	}
}
