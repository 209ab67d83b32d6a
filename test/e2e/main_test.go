// Package e2e tests the program as an operator uses it: the real binary, run on
// a lab's deploy server, against a lab's hosts. The tests look at hosts from
// outside of the program: at files, sockets, HTTP answers and engines.
//
// Each test is named for the rule of the main job or the fault that it guards.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// workshop holds what is made once for all tests: programs and bundles.
var workshop workplace

type workplace struct {
	dir     string // set before any test runs
	mu      sync.Mutex
	built   map[string]product // by package; guarded by mu
	bundles map[string]string  // name to path; guarded by mu
}

// A product is a program that was built, or why it could not be.
type product struct {
	path string
	err  error
}

// programEnv names a program to test instead of one built from this tree: that
// of a release, say. It is static, as ours are.
const programEnv = "DAISY_MCAST_TEST_PROGRAM"

// program is the path of daisy-mcast.
func (w *workplace) program() (string, error) {
	if path := os.Getenv(programEnv); path != "" {
		return path, nil
	}
	return w.build("../../cmd/daisy-mcast")
}

// hello is the entrypoint of the images.
func (w *workplace) hello() ([]byte, error) {
	path, err := w.build("./testdata/hello")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// build makes a static program, as a release does.
func (w *workplace) build(pkg string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.built[pkg]
	if !ok {
		p = w.buildOnce(pkg)
		w.built[pkg] = p
	}
	return p.path, p.err
}

func (w *workplace) buildOnce(pkg string) product {
	out := filepath.Join(w.dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return product{err: fmt.Errorf("building %s: %w\n%s", pkg, err, text)}
	}
	return product{path: out}
}

func TestMain(m *testing.M) {
	lab.Init()
	dir, err := lab.TempDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workshop = workplace{dir: dir, built: map[string]product{}, bundles: map[string]string{}}
	code := lab.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// needProgram builds the program and skips the test when it has no command
// called that.
func needProgram(t *testing.T, command string) string {
	t.Helper()
	path, err := workshop.program()
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(path, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	if !bytes.Contains(help, []byte("\n  "+command+" ")) {
		t.Fatalf("the program has no command %q", command)
	}
	return path
}

// within bounds what a part of a test may take.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
