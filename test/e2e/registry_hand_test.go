package e2e

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// byHand is the registry that these tests start beside the fleet's.
const (
	byHandBase = "/var/lib/by-hand"
	byHandAddr = "127.0.0.1:4777"
)

func byHand(verb string, more ...string) []string {
	return append([]string{"daisy-mcast", "registry", verb, "--name", "by-hand", "--base-dir", byHandBase}, more...)
}

func startByHand(more ...string) []string {
	return byHand("start", append([]string{"--store", baseDir + "/central", "--listen", byHandAddr, "--mode", "container"}, more...)...)
}

// TestStoreOfRegistry2IsServedByOurs: what Debian's docker-registry wrote, pushed by
// skopeo, is served as it is, and docker, podman and skopeo pull it. The other
// direction is testForeignRegistry's.
func TestStoreOfRegistry2IsServedByOurs(t *testing.T) {
	t.Parallel()
	lab.Need(t, "docker-registry", "skopeo", "docker", "podman")
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	b := smallBundle(t)
	f.distribute(f.put(b)).wantCode(exitLocal)
	ctx, h := within(t, 3*time.Minute), f.targets[0]
	config := "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /tmp/theirs\nhttp:\n  addr: 127.0.0.1:4998\n"
	f.must(h.WriteFile("/etc/theirs.yml", []byte(config), 0o644))
	theirs, err := h.Start(lab.Cmd{Args: []string{"docker-registry", "serve", "/etc/theirs.yml"}})
	f.must(err)
	f.must(h.AwaitListener(ctx, "127.0.0.1:4998"))
	for ref := range b.tags {
		r := h.Run(ctx, "skopeo", "copy", "-q", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false",
			"docker://"+hostRegistry+"/"+ref, "docker://127.0.0.1:4998/"+ref)
		if !r.OK() {
			t.Fatal(r)
		}
	}
	theirs.Stop(5 * time.Second)
	program := f.programOn(h)
	ours, err := h.Start(lab.Cmd{Args: []string{program, "registry", "serve", "--store", "/tmp/theirs", "--listen", byHandAddr}})
	f.must(err)
	defer ours.Stop(5 * time.Second)
	f.must(h.AwaitListener(ctx, byHandAddr))
	for ref, digest := range b.tags {
		name := byHandAddr + "/" + ref
		r := h.Run(ctx, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+name)
		if strings.TrimSpace(r.Stdout) != digest {
			t.Errorf("%s: want %s: %v", ref, digest, r)
		}
		for _, pull := range [][]string{
			{"docker", "pull", "-q", name},
			{"podman", "pull", "-q", "--tls-verify=false", name},
			{"skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + name, "dir:/tmp/pulled"},
		} {
			if r := h.Run(ctx, pull...); !r.OK() {
				t.Error(r)
			}
		}
	}
	r := h.Run(ctx, "skopeo", "list-tags", "--tls-verify=false", "docker://"+byHandAddr+"/"+repositoryOf(slices.Sorted(maps.Keys(b.tags))[0]))
	if !r.OK() {
		t.Error(r)
	}
}

func repositoryOf(ref string) string {
	repository, _, _ := strings.Cut(ref, ":")
	return repository
}

// programOn is the path of the program that a run has put on a host.
func (f *fleet) programOn(h *lab.Host) string {
	f.t.Helper()
	files, err := h.Walk(baseDir + "/bin")
	f.must(err)
	for path := range files {
		return path
	}
	f.t.Fatal("no program on " + h.Name())
	return ""
}

// TestPurgeRemovesWhatWePutThereAndNothingElse lists files, containers and images
// before a start and after its purge. The store, which others made, stays whole.
func TestPurgeRemovesWhatWePutThereAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	b := smallBundle(t)
	f.distribute(f.put(b)).wantCode(exitLocal)
	ctx, h := within(t, 2*time.Minute), f.deploy
	list := func() map[string]int64 {
		all := make(map[string]int64)
		for _, dir := range []string{"/var/lib/daisy-mcast/central", "/etc", "/usr/local"} {
			files, err := h.Walk(dir)
			f.must(err)
			maps.Copy(all, files)
		}
		for _, args := range [][]string{{"docker", "ps", "-a", "--format", "{{.Names}}"}, {"docker", "images", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"},
			{"docker", "volume", "ls", "-q"}, {"ls", "-A", "/var/lib"}, {"ls", "-A", "/run"}} {
			r := h.Run(ctx, args...)
			if !r.OK() {
				t.Fatal(r)
			}
			for _, line := range strings.Fields(r.Stdout) {
				all[args[0]+" "+args[1]+": "+line]++
			}
		}
		return all
	}
	before := list()
	for _, args := range [][]string{startByHand(), startByHand("--fill"), byHand("stop", "--purge")} {
		if r := h.Run(ctx, args...); !r.OK() {
			t.Fatal(r)
		}
		if strings.Contains(strings.Join(args, " "), "--fill") {
			r := h.Run(ctx, "docker", "inspect", "-f", "{{range .Mounts}}{{.Destination}}={{.RW}} {{end}}", "by-hand")
			if !strings.Contains(r.Stdout, "=true") {
				t.Errorf("a registry that fills its store cannot write to it: %v", r)
			}
		}
	}
	after := list()
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("gone: %s", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok && name != "ls -A: by-hand" { // the base directory may stay, when it is empty
			t.Errorf("left: %s", name)
		}
	}
	if files, _ := h.Walk(byHandBase); len(files) > 0 && !onlyIdentity(files) {
		t.Errorf("left in the base directory: %v", slices.Sorted(maps.Keys(files)))
	}
	f.wantCentral(ctx, b)
}

// onlyIdentity reports whether a base directory has nothing but the name that a
// registry answers with, which is this machine's and not the container's.
func onlyIdentity(files map[string]int64) bool {
	return len(files) == 1 && strings.Contains(slices.Collect(maps.Keys(files))[0], "identity")
}

// TestFault73StarterKilledAnyTime kills `registry start` at random instants of a
// replacement, in a real engine. Without another start one registry serves again
// within the time that a container takes to start.
func TestFault73StarterKilledAnyTime(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	f.distribute(f.put(smallBundle(t))).wantCode(exitLocal)
	ctx, h := within(t, 4*time.Minute), f.deploy
	if r := h.Run(ctx, startByHand()...); !r.OK() {
		t.Fatal(r)
	}
	begun := time.Now()
	if r := h.Run(ctx, startByHand("--access-log")...); !r.OK() {
		t.Fatal(r)
	}
	whole := time.Since(begun)
	client := h.HTTP()
	client.Timeout = 5 * time.Second
	hit := 0
	for i := range 15 {
		args := startByHand("--listen", "127.0.0.1:"+strconv.Itoa(4778+i%2)) // another one each time
		p, err := h.Start(lab.Cmd{Args: args})
		f.must(err)
		time.Sleep(time.Duration(rand.Int64N(int64(whole))))
		for _, found := range h.FindProcesses(args...) {
			if h.KillPID(found.PID, unix.SIGKILL) == nil {
				hit++
			}
		}
		p.Stop(5 * time.Second)
		var last error
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			var resp *http.Response
			if resp, last = client.Get("http://" + byHandAddr + "/v2/"); last == nil {
				resp.Body.Close()
				break
			}
		}
		if last != nil {
			r := h.Run(ctx, "docker", "ps", "-a")
			t.Fatalf("after kill %d nothing serves: %v\n%s", i, last, r.Stdout)
		}
	}
	t.Logf("%d of 15 starts of %v were killed", hit, whole.Round(time.Millisecond))
	if r := h.Run(ctx, startByHand()...); !r.OK() {
		t.Error(r)
	}
	r := h.Run(ctx, "docker", "ps", "-a", "--format", "{{.Names}}")
	if strings.Count(r.Stdout, "by-hand") != 1 {
		t.Errorf("containers of killed starts are left: %v", r)
	}
}
