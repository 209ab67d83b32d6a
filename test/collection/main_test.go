// Package collection tests the Ansible collection that this repository is, as far
// as that needs no other machine: what its tarball holds, its documentation, its
// inventory plugin, its playbooks, and what Ansible's own tools have to say. What
// it does to hosts is tested in test/e2e.
package collection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is this repository, seen from here.
const root = "../.."

// place is what all tests work in. TestMain fills it once.
var place struct {
	dir         string // removed at the end
	program     string // daisy-mcast
	collections string // holds ansible_collections/daisy/kolla_mcast, installed
	tarball     string
	err         error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "daisy-mcast-collection-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	place.dir = dir
	if _, err := exec.LookPath("ansible-galaxy"); err == nil {
		place.err = furnish()
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// furnish builds program and collection and installs the latter, as a user does.
func furnish() error {
	place.program = filepath.Join(place.dir, "bin", "daisy-mcast")
	place.collections = filepath.Join(place.dir, "collections")
	if err := os.WriteFile(filepath.Join(place.dir, "ansible.cfg"), nil, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"go", "build", "-o", place.program, "./cmd/daisy-mcast"},
		{"ansible-galaxy", "collection", "build", "--output-path", place.dir, "."},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = root, environment("CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(place.dir, "daisy-kolla_mcast-*.tar.gz"))
	if err != nil || len(found) != 1 {
		return errors.Join(err, fmt.Errorf("built %v", found))
	}
	place.tarball = found[0]
	cmd := exec.CommandContext(ctx, "ansible-galaxy", "collection", "install", "--offline", "-p", place.collections, place.tarball)
	cmd.Dir, cmd.Env = place.dir, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("installing the collection: %w\n%s", err, out)
	}
	return nil
}

// environment is one in which Ansible finds the collection and the program, and
// nothing of this machine's user.
func environment(more ...string) []string {
	env := []string{"ANSIBLE_COLLECTIONS_PATH=" + place.collections, "ANSIBLE_NOCOLOR=1",
		"ANSIBLE_LOCAL_TEMP=" + filepath.Join(place.dir, "tmp"), "ANSIBLE_CONFIG=" + filepath.Join(place.dir, "ansible.cfg"),
		"ANSIBLE_GALAXY_CACHE_DIR=" + filepath.Join(place.dir, "galaxy"), "ANSIBLE_HOME=" + filepath.Join(place.dir, "home"),
		"LC_ALL=C.UTF-8"}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "ANSIBLE_") || strings.HasPrefix(name, "DAISY_MCAST_") || strings.HasPrefix(name, "LC_") {
			continue
		}
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			v = "PATH=" + filepath.Join(place.dir, "bin") + ":" + path
		}
		env = append(env, v)
	}
	return append(env, more...)
}

// need skips the test where a program is not installed. With CI=true that is a
// failure.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range append([]string{"ansible-galaxy"}, programs...) {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("CI=true, and %s is not installed (test/install.sh installs it)", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
	if place.err != nil {
		t.Fatal(place.err)
	}
}

// A result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

// call is a command to run.
type call struct {
	dir  string
	env  []string
	args []string
}

func run(t *testing.T, c call) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, environment(c.env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%v: %v", c.args, err)
	}
	return result{out.String(), complaint.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to end with 0.
func must(t *testing.T, c call) result {
	t.Helper()
	r := run(t, c)
	if r.code != 0 {
		t.Fatalf("%v ended with %d:\n%s\n%s", c.args, r.code, r.out, r.err)
	}
	return r
}

// write makes files by name below a new directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
