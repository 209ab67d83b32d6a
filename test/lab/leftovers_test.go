package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

func TestLeftoversSeesARunningLab(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1")})
	left := strings.Join(l.Traces().Leftovers(), "\n")
	for _, want := range []string{"cgroup /", "process ", "sshd"} {
		if !strings.Contains(left, want) {
			t.Errorf("a lab runs, and there is no %q among its traces:\n%s", want, left)
		}
	}
	// That all of them go is what New checks when this test ends.
}

// TestCloseLetsGoOfEveryNamespace runs beside no other lab: it counts.
func TestCloseLetsGoOfEveryNamespace(t *testing.T) {
	lab.Need(t)
	before := openNamespaces(t)
	l, err := lab.Open(t.Context(), lab.Config{Hosts: hosts("h1", "h2")})
	if err != nil {
		t.Fatal(err)
	}
	if during := openNamespaces(t); during <= before {
		t.Errorf("%d namespaces are open while a lab is, and %d before it", during, before)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if after := openNamespaces(t); after != before {
		t.Errorf("%d namespaces are open after the lab, and %d before it", after, before)
	}
}

// openNamespaces counts the namespaces that this process holds by a file.
func openNamespaces(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(to, ":[4") {
			for _, kind := range []string{"net:", "mnt:", "pid:", "uts:", "ipc:", "cgroup:"} {
				if strings.HasPrefix(to, kind) {
					n++
				}
			}
		}
	}
	return n
}

// orphanEnv makes TestOrphanedLab play the crashed owner of a lab.
const orphanEnv = "DAISY_LAB_TEST_ORPHAN"

func TestOrphanedLab(t *testing.T) {
	t.Parallel()
	lab.Need(t)
	if os.Getenv(orphanEnv) != "" {
		playOwner(t)
	}
	owner := exec.Command("/proc/self/exe", "-test.run", "^TestOrphanedLab$")
	owner.Env = append(os.Environ(), orphanEnv+"=1")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var mark string
	for s := bufio.NewScanner(out); s.Scan(); {
		if m, ok := strings.CutPrefix(s.Text(), "mark "); ok {
			mark = m
			break
		}
	}
	traces := lab.TracesOf(mark)
	if before := traces.Leftovers(); mark == "" || len(before) == 0 {
		t.Fatalf("mark %q: the owner's lab has no traces", mark)
	}
	owner.Process.Kill()
	owner.Wait()

	deadline := time.Now().Add(10 * time.Second)
	for {
		var processes []string
		for _, line := range traces.Leftovers() {
			if strings.HasPrefix(line, "process") {
				processes = append(processes, line)
			}
		}
		if len(processes) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the owner is gone and they live:\n%s", strings.Join(processes, "\n"))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := lab.Sweep(); err != nil {
		t.Error(err)
	}
	if left := traces.Leftovers(); len(left) > 0 {
		t.Errorf("after the sweep:\n%s", strings.Join(left, "\n"))
	}
}

// playOwner opens a lab, says its mark, and waits to be killed.
func playOwner(t *testing.T) {
	l, err := lab.Open(context.Background(), lab.Config{Hosts: hosts("h1", "h2")})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("mark", l.Traces().Mark())
	select {}
}
