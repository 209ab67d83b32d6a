package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	places := processesWith(h, secret)
	given := []string{"/root/sudo-password", "/root/deploy.yml", hostsFile}
	h.Within(func() error {
		for _, dir := range []string{"/var", "/tmp", "/run", "/root", "/home", "/etc", "/usr/local/bin", "/dev/shm"} {
			filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() || slices.Contains(given, path) {
					return nil
				}
				data, err := os.ReadFile(path)
				if err == nil && bytes.Contains(data, []byte(secret)) {
					places = append(places, path)
				}
				return nil
			})
		}
		return nil
	})
	return places
}

// processesWith lists the processes that have a secret on their command line or
// in their environment.
func processesWith(h *lab.Host, secret string) []string {
	var found []string
	for _, p := range h.Processes() {
		if strings.Contains(strings.Join(append(p.Args, p.Env...), "\n"), secret) {
			found = append(found, fmt.Sprintf("process %d (%s)", p.PID, p.Name))
		}
	}
	return found
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
			for _, where := range processesWith(h, secret) {
				seen[h.Name()+": "+where] = true
			}
		}
	}
	if err := f.targets[0].WriteFile("/var/log/lab-guard", []byte(secret), 0o600); err != nil ||
		len(secretPlaces(f.targets[0], secret)) != 1 {
		t.Errorf("the search does not find what was put there (%v)", err)
	}
	f.must(f.targets[0].Shell(t.Context(), "rm /var/log/lab-guard"))
	for where := range seen {
		t.Errorf("a password was seen in %s", where)
	}
	r := f.finish(p)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantNoSecrets(r, secret)
}
