package lab_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// scratchProgram builds a static program that says what host name it sees.
func scratchProgram(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	const source = `package main

import ("fmt"; "os")

func main() { name, _ := os.Hostname(); fmt.Println("hello from", name) }
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "hello", "main.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v: %s", err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// layerOf packs a program as the only file of a file system.
func layerOf(t *testing.T, program []byte) io.Reader {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	w.Write(program)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf
}

func TestEnginesRunScratchImages(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: []lab.HostConfig{
		{Name: "plain", Engine: lab.Docker},
		{Name: "kolla", Engine: lab.DockerKollaLike},
		{Name: "podman", Engine: lab.Podman},
	}})
	ctx := within(t, 90*time.Second)
	program := scratchProgram(t)
	var all sync.WaitGroup
	defer all.Wait()
	for _, h := range l.Hosts() {
		all.Go(func() {
			client := "docker"
			if h.Name() == "podman" {
				client = "podman"
			}
			r := h.RunCmd(ctx, lab.Cmd{Args: []string{client, "import", "-c", "ENTRYPOINT [\"/hello\"]", "-", "lab/hello:1"},
				Stdin: layerOf(t, program)})
			if !r.OK() {
				t.Errorf("%s: importing an image: %v", h.Name(), r)
				return
			}
			r = h.Run(ctx, client, "run", "--rm", "--network", "host", "lab/hello:1")
			if r.Stdout != "hello from "+h.Name()+"\n" {
				t.Errorf("%s: running it: %v", h.Name(), r)
			}
		})
	}
}

func TestEnginesShareNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: []lab.HostConfig{
		{Name: "h1", Engine: lab.DockerKollaLike}, {Name: "h2", Engine: lab.DockerKollaLike}}})
	ctx := within(t, 60*time.Second)
	r := l.Host("h1").RunCmd(ctx, lab.Cmd{Args: []string{"docker", "import", "-", "lab/only-h1:1"},
		Stdin: layerOf(t, []byte("x"))})
	if !r.OK() {
		t.Fatal(r)
	}
	if r := l.Host("h2").Run(ctx, "docker", "images", "-q"); !r.OK() || r.Stdout != "" {
		t.Errorf("h2 has an image of h1: %v", r)
	}
	if r := l.Host("h2").Run(ctx, "docker", "info", "-f", "{{.Name}} {{.DockerRootDir}}"); r.Stdout != "h2 /var/lib/docker\n" {
		t.Errorf("h2's engine: %v", r)
	}
}

func TestKillEngineAndStartIt(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: []lab.HostConfig{{Name: "h1", Engine: lab.Docker}}})
	ctx := within(t, 90*time.Second)
	h := l.Host("h1")
	program := scratchProgram(t)
	steps := []lab.Cmd{
		{Args: []string{"docker", "import", "-c", "ENTRYPOINT [\"/hello\"]", "-", "lab/hello:1"}, Stdin: layerOf(t, program)},
		{Args: []string{"docker", "create", "--name", "kept", "lab/hello:1"}},
	}
	for _, c := range steps {
		if r := h.RunCmd(ctx, c); !r.OK() {
			t.Fatal(r)
		}
	}
	if err := h.KillEngine(ctx); err != nil {
		t.Fatal(err)
	}
	if r := h.Run(ctx, "docker", "ps"); r.OK() {
		t.Errorf("a killed engine answers: %v", r)
	}
	if found := h.FindProcesses("containerd"); len(found) > 0 {
		t.Errorf("left of the killed engine: %v", found)
	}
	if err := h.StartEngine(ctx); err != nil {
		t.Fatal(err)
	}
	if r := h.Run(ctx, "docker", "ps", "-a", "--format", "{{.Names}}"); strings.TrimSpace(r.Stdout) != "kept" {
		t.Errorf("after the start: %v", r)
	}
}
