package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The whole job by the built program: agents, registries, multicast on loopback,
// and one host that fails in the middle. Nothing stays behind.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "daisy-mcast")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "demo", "--hosts", "3", "--progress", "plain", "--dir", work).CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	for _, want := range []string{
		`host01 +127\.0\.0\.2 +local `,
		`host03 +127\.0\.0\.4 +central .*connection lost`,
		`host03's agent is killed now`,
		`(?m)^3 hosts: 2 local, 1 central$`,
		`every host gave the same image`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
