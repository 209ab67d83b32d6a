package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// marker is a password that is found nowhere else.
func marker(what string) string { return "MARKER-" + what + "-3f9c2e71" }

// wantNoSecrets looks for a secret wherever something may have written it (I8).
func (f *fleet) wantNoSecrets(r run, secret string) {
	f.t.Helper()
	for name, text := range map[string]string{"stdout": r.Stdout, "stderr": r.Stderr, "the report": r.raw} {
		if strings.Contains(text, secret) {
			f.t.Errorf("%s holds a password:\n%s", name, text)
		}
	}
	for _, h := range f.Hosts() {
		for _, where := range secretPlaces(h, secret) {
			f.t.Errorf("%s on %s holds a password", where, h.Name())
		}
	}
}

// secretPlaces lists the processes and files of a host that hold a secret, but
// for the files that it was given in.
func secretPlaces(h *lab.Host, secret string) []string {
	var places []string
	for _, p := range h.Processes() {
		if strings.Contains(strings.Join(append(p.Args, p.Env...), "\n"), secret) {
			places = append(places, fmt.Sprintf("process %d (%s)", p.PID, p.Name))
		}
	}
	for _, dir := range []string{"/var/lib/daisy-mcast", "/var/log", "/tmp", "/run", "/root", "/home", "/etc", "/usr/local"} {
		files, _ := h.Walk(dir)
		for path, size := range files {
			given := path == "/root/sudo-password" || path == "/root/deploy.yml" || path == hostsFile
			if given || size > 1<<20 {
				continue
			}
			if data, err := h.ReadFile(path); err == nil && strings.Contains(string(data), secret) {
				places = append(places, path)
			}
		}
	}
	return places
}

// TestFault77PasswordsAreSeenNowhere logs in with passwords and looks at every
// command line and environment of all hosts for as long as the run takes.
func TestFault77PasswordsAreSeenNowhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	ctx := within(t, 30*time.Second)
	secret := marker("login")
	f.must(f.deploy.Shell(ctx, "rm -f /root/.ssh/id_ed25519*"))
	for _, h := range f.targets {
		f.must(h.AddUser(ctx, lab.User{Name: "stack", Password: secret, Sudo: lab.SudoPassword}))
	}
	f.writeHosts(map[string]any{"user": "stack", "password": secret, "become": true, "become_password": secret})
	b := smallBundle(t)

	p := f.start(f.put(b))
	seen := map[string]bool{}
	for running := true; running; {
		select {
		case <-p.Done():
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		for _, h := range f.Hosts() {
			for _, proc := range h.Processes() {
				if strings.Contains(strings.Join(append(proc.Args, proc.Env...), "\n"), secret) {
					seen[h.Name()+": "+strings.Join(proc.Args, " ")] = true
				}
			}
		}
	}
	for where := range seen {
		t.Errorf("a password was seen in %s", where)
	}
	r := f.finish(p)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantNoSecrets(r, secret)
}
