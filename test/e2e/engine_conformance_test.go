package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestEnginesConform runs the suite that pkg/engine's fakes pass on hosts with a
// real dockerd, also as Kolla configures it, and with a real Podman.
func TestEnginesConform(t *testing.T) {
	t.Parallel()
	suite, err := workshop.buildTest("../../pkg/engine/enginetest")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		kind   string
		engine lab.Engine
	}{
		"Docker":          {"docker", lab.Docker},
		"DockerKollaLike": {"docker", lab.DockerKollaLike},
		"Podman":          {"podman", lab.Podman},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := lab.New(t, lab.Config{Hosts: []lab.HostConfig{{Name: "h1", Engine: c.engine}}}).Host("h1")
			const program = "/root/enginetest"
			if err := h.CopyIn(suite, program, 0o755); err != nil {
				t.Fatal(err)
			}
			r := h.RunCmd(within(t, 3*time.Minute), lab.Cmd{
				Args: []string{program, "-test.run=^TestEngineConforms$", "-test.v"},
				Env:  []string{"DAISY_MCAST_TEST_ENGINE=" + c.kind},
			})
			if !r.OK() {
				t.Error(r)
			}
		})
	}
}

// buildTest makes a static program of a package's tests.
func (w *workplace) buildTest(pkg string) (string, error) {
	out := filepath.Join(w.dir, filepath.Base(pkg)+".test")
	cmd := exec.Command("go", "test", "-c", "-trimpath", "-o", out, pkg)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the tests of %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}
