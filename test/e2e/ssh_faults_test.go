package e2e

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// An sshFault makes one host hard to log in to. The others must not notice (I2).
type sshFault struct {
	name    string
	make    func(t *testing.T, f *fleet, h *lab.Host) error
	outcome string   // default failed
	words   []string // one of which the reason says
	code    int      // default exitFailed
}

var sshFaults = []sshFault{
	{name: "Refused", words: []string{"unreachable", "refused"},
		make: func(_ *testing.T, _ *fleet, h *lab.Host) error { h.StopSSH(); return nil }},
	{name: "Filtered", words: []string{"unreachable", "timed out", "timeout"},
		make: func(_ *testing.T, _ *fleet, h *lab.Host) error { return h.BlockTCP(22) }},
	{name: "HostKeyChanged", words: []string{"host key"},
		make: func(t *testing.T, _ *fleet, h *lab.Host) error { return h.ChangeHostKey(t.Context()) }},
	{name: "KeyRefused", words: []string{"auth", "denied"},
		make: func(t *testing.T, _ *fleet, h *lab.Host) error {
			return h.Shell(t.Context(), "rm /root/.ssh/authorized_keys")
		}},
	{name: "NoShell", words: []string{"shell"},
		make: func(t *testing.T, _ *fleet, h *lab.Host) error {
			return h.Shell(t.Context(), "usermod -s /usr/sbin/nologin root")
		}},
	{name: "NoisyLogin", outcome: "local", code: exitLocal,
		make: func(_ *testing.T, _ *fleet, h *lab.Host) error {
			const noise = "echo Welcome to this host\nprintf 'no newline at the end'\necho noise >&2\n"
			return h.WriteFile("/root/.bashrc", []byte(noise), 0o644)
		}},
	{name: "Banner", outcome: "local", code: exitLocal,
		make: func(t *testing.T, _ *fleet, h *lab.Host) error {
			if err := h.WriteFile("/etc/issue.net", []byte("Unauthorized access is prohibited\n"), 0o644); err != nil {
				return err
			}
			return h.ConfigureSSH(t.Context(), "Banner /etc/issue.net\n")
		}},
	{name: "PathUnset", outcome: "local", code: exitLocal,
		make: func(_ *testing.T, _ *fleet, h *lab.Host) error {
			return h.WriteFile("/root/.bashrc", []byte("unset PATH\n"), 0o644)
		}},
	{name: "OtherShell", outcome: "local", code: exitLocal,
		make: func(t *testing.T, _ *fleet, h *lab.Host) error {
			return h.Shell(t.Context(), "usermod -s /bin/dash root")
		}},
	{name: "SudoNeedsPassword", words: []string{"sudo"},
		make: func(t *testing.T, f *fleet, h *lab.Host) error { return f.useOperator(h, lab.SudoPassword) }},
	{name: "NoSudo", words: []string{"sudo"},
		make: func(t *testing.T, f *fleet, h *lab.Host) error { return f.useOperator(h, lab.SudoNone) }},
}

// useOperator makes all hosts be entered as a user who has free sudo, but on
// one other rights.
func (f *fleet) useOperator(odd *lab.Host, rights lab.Sudo) error {
	ctx := f.t.Context()
	for _, h := range f.targets {
		sudo := lab.SudoFree
		if h == odd {
			sudo = rights
		}
		if err := h.AddUser(ctx, lab.User{Name: "stack", Password: "stack-secret", Sudo: sudo}); err != nil {
			return err
		}
	}
	f.writeHosts(map[string]any{"user": "stack", "become": true})
	return f.deploy.Operator(ctx, "root", "stack", f.targets...)
}

func TestFault64SSH(t *testing.T) {
	t.Parallel()
	for _, fault := range sshFaults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 2})
			b := smallBundle(t)
			f.must(fault.make(t, f, f.Host("h2")))
			r := f.distribute(f.put(b))
			outcome, code := fault.outcome, fault.code
			if outcome == "" {
				outcome, code = "failed", exitFailed
			}
			r.wantCode(code)
			r.want("h2", outcome, fault.words...)
			f.wantLocal(r, b, f.Host("h1"))
			if outcome == "local" {
				f.wantServed(f.Host("h2"), b, "store")
			}
			f.wantNoStrays(f.targets...)
		})
	}
}

// TestR2UnknownHostKey: a host that is new is refused, and taken with the flag,
// but a changed key never is.
func TestR2UnknownHostKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b := smallBundle(t)
	path := f.put(b)
	f.must(f.deploy.Forget("root"))
	f.must(f.deploy.Trust("root", f.Host("h1")))

	r := f.distribute(path)
	r.wantCode(exitFailed)
	r.want("h2", "failed", "host key")
	f.wantLocal(r, b, f.Host("h1"))

	f.must(f.Host("h1").ChangeHostKey(t.Context()))
	r = f.distribute("--accept-new-host-keys", path)
	r.wantCode(exitFailed)
	r.want("h1", "failed", "host key")
	f.wantLocal(r, b, f.Host("h2"))
}

// TestR2Become goes in as a user who is not root, with and without a password
// for sudo.
func TestR2Become(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rights lab.Sudo
		args   []string
	}{
		"WithoutPassword": {lab.SudoFree, nil},
		"WithPassword":    {lab.SudoPassword, []string{"--become-password-file", "/root/sudo-password"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 2})
			ctx := within(t, 30*time.Second)
			for _, h := range f.targets {
				f.must(h.AddUser(ctx, lab.User{Name: "stack", Password: marker("sudo"), Sudo: c.rights}))
			}
			f.must(f.deploy.Operator(ctx, "root", "stack", f.targets...))
			f.must(f.deploy.WriteFile("/root/sudo-password", []byte(marker("sudo")+"\n"), 0o600))
			b := smallBundle(t)
			r := f.distribute(append(c.args, "--ssh-user", "stack", "--become", f.put(b))...)
			r.wantCode(exitLocal)
			f.wantLocal(r, b, f.targets...)
			f.wantNoStrays(f.targets...)
			f.wantNoSecrets(r, marker("sudo"))
		})
	}
}

// TestR1LimitNarrowsTheList leaves the others alone.
func TestR1LimitNarrowsTheList(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	b := smallBundle(t)
	r := f.distribute("--limit", "h1,h3", f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.Host("h1"), f.Host("h3"))
	if n := len(r.report.Hosts); n != 2 {
		t.Errorf("the report has %d hosts, want 2", n)
	}
	if f.Host("h2").Exists(storeDir) {
		t.Error("h2 was not asked for and has a store")
	}
}
