package e2e

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// engineBudget is for a step in which engines pull and run on all hosts.
const engineBudget = 90 * time.Second

// TestMainJobWithEngines is the main job where real dockerds pull and run what
// was distributed, over each protocol. Its parts follow on one another, on one fleet.
func TestMainJobWithEngines(t *testing.T) {
	c := fleetConfig{Engine: lab.DockerKollaLike,
		Engines: map[string]lab.Engine{"h1": lab.Docker, "deploy": lab.Docker}}
	eachCarrier(t, c, func(f *fleet, _ int) { testMainJob(f.t, f) })
}

func testMainJob(t *testing.T, f *fleet) {
	b := smallBundle(t)
	path := f.put(b)
	globals := "/etc/kolla/globals.d"
	f.must(f.deploy.Shell(t.Context(), "mkdir -p "+globals))
	args := []string{"--globals-dir", globals, path}

	first := f.distribute(args...)
	first.wantCode(exitLocal)
	f.wantLocal(first, b, f.targets...)

	run := func(name string, part func(t *testing.T, f *fleet)) {
		t.Run(name, func(t *testing.T) { part(t, f.as(t)) })
	}
	run("R7EnginesPullAndRun", func(t *testing.T, f *fleet) { f.wantPulled(b, hostRegistry) })
	run("R8ListenerIsOnLoopbackOnly", func(t *testing.T, f *fleet) { f.wantLoopbackOnly(f.targets...) })
	run("R10NothingButTheSet", testR10)
	run("R13DropIn", func(t *testing.T, f *fleet) { testR13(t, f, globals, b) })
	run("NothingLeftBehind", func(t *testing.T, f *fleet) { f.wantNoStrays(f.targets...) })
	run("SecondRunSendsNothing", func(t *testing.T, f *fleet) { testSecondRun(t, f, b, args) })
	run("DebiansRegistryServesTheStore", func(t *testing.T, f *fleet) { testForeignRegistry(t, f, b) })
	run("R11R15RegistriesComeBackAfterReboot", func(t *testing.T, f *fleet) { testReboot(t, f, b) })
	run("R9SameTagNewLayerOneHostKilled", testR9)
	run("R16RollbackSendsNothing", func(t *testing.T, f *fleet) { testRollback(t, f, b) })
}

// as is the fleet, with a subtest to report to.
func (f *fleet) as(t *testing.T) *fleet {
	g := *f
	g.t = t
	return &g
}

// wantPulled pulls and runs every image of the bundle on every target.
func (f *fleet) wantPulled(b bundle, registry string) {
	f.t.Helper()
	ctx := within(f.t, engineBudget)
	var all sync.WaitGroup
	for _, h := range f.targets {
		all.Go(func() {
			for _, ref := range b.references() {
				name := registry + "/" + ref
				if r := h.Run(ctx, "docker", "pull", "-q", name); !r.OK() {
					f.t.Errorf("%s: %v", h.Name(), r)
					continue
				}
				r := h.Run(ctx, "docker", "run", "--rm", "--network", "none", name)
				if !r.OK() || r.Stdout != "hello [from a bundle]\n" {
					f.t.Errorf("%s: %v", h.Name(), r)
				}
			}
		})
	}
	all.Wait()
}

// imageIDs pulls the images and returns their IDs in the engine.
func (f *fleet) imageIDs(h *lab.Host, b bundle) map[string]string {
	f.t.Helper()
	ctx := within(f.t, engineBudget)
	ids := map[string]string{}
	for _, ref := range b.references() {
		name := hostRegistry + "/" + ref
		if r := h.Run(ctx, "docker", "pull", "-q", name); !r.OK() {
			f.t.Errorf("%s: %v", h.Name(), r)
		}
		r := h.Run(ctx, "docker", "image", "inspect", "-f", "{{.Id}}", name)
		ids[ref] = strings.TrimSpace(r.Stdout)
	}
	return ids
}

// wantLoopbackOnly checks who listens where, by ss(8) and by trying from
// another host (R8).
func (f *fleet) wantLoopbackOnly(hosts ...*lab.Host) {
	f.t.Helper()
	ctx := within(f.t, 30*time.Second)
	for _, h := range hosts {
		r := h.Run(ctx, "ss", "-ltnH", "sport", "=", ":4000")
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], hostRegistry) {
			f.t.Errorf("%s: listeners on port 4000: %v", h.Name(), r)
		}
		conn, err := f.deploy.Dial("tcp", h.Addr().String()+":4000")
		if err == nil {
			conn.Close()
			f.t.Errorf("the registry of %s can be reached from another host", h.Name())
		}
	}
}

// testR10 asks a host's registry for what is not in the set, although the
// central registry exists and could be asked.
func testR10(t *testing.T, f *fleet) {
	unknown := "sha256:" + strings.Repeat("ab", 32)
	for _, path := range []string{
		"/v2/kolla/centos-source-keystone/manifests/" + unknown,
		"/v2/kolla/centos-source-keystone/blobs/" + unknown,
		"/v2/kolla/centos-source-keystone/manifests/other-tag",
		"/v2/library/alpine/manifests/latest",
	} {
		resp, body, err := get(f.targets[0], path)
		if err != nil || resp.StatusCode != 404 {
			t.Errorf("%s: %v %v %s", path, resp, err, body)
		}
	}
}

func testR13(t *testing.T, f *fleet, globals string, b bundle) {
	text, err := f.deploy.ReadFile(globals + "/zz-daisy-mcast.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"docker_registry:", "127.0.0.1:4000", `docker_namespace: "kolla"`, "6.0.0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the drop-in has no %q:\n%s", want, text)
		}
	}
	r := f.deploy.Run(within(t, 10*time.Second), "ls", "-A", globals)
	if r.Stdout != "zz-daisy-mcast.yml\n" {
		t.Errorf("beside the drop-in: %v", r)
	}
}

func testSecondRun(t *testing.T, f *fleet, b bundle, args []string) {
	before := map[string][]string{}
	for _, h := range f.targets {
		before[h.Name()] = registryPIDs(h)
	}
	r := f.distribute(args...)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	for _, h := range f.targets {
		if n := r.host(h.Name()).Received; n != 0 {
			t.Errorf("%s received %d bytes of what it had", h.Name(), n)
		}
		if after := registryPIDs(h); !slices.Equal(before[h.Name()], after) {
			t.Errorf("the registry of %s was started again: %v, then %v", h.Name(), before[h.Name()], after)
		}
	}
}

// registryPIDs are the processes of a host's registry.
func registryPIDs(h *lab.Host) []string {
	var all []string
	for _, p := range h.FindProcesses("registry", "serve") {
		all = append(all, strings.Join(append([]string{p.Name}, p.Args...), " "), time.Duration(p.PID).String())
	}
	return all
}

// testForeignRegistry has Debian's docker-registry serve the store that we
// wrote, unchanged.
func testForeignRegistry(t *testing.T, f *fleet, b bundle) {
	lab.Need(t, "docker-registry", "skopeo")
	ctx := within(t, 60*time.Second)
	h := f.targets[0]
	config := "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: " + storeDir +
		"\n  maintenance:\n    readonly:\n      enabled: true\nhttp:\n  addr: 127.0.0.1:4999\n"
	f.must(h.WriteFile("/etc/lab-registry.yml", []byte(config), 0o644))
	p, err := h.Start(lab.Cmd{Args: []string{"docker-registry", "serve", "/etc/lab-registry.yml"}})
	f.must(err)
	defer p.Stop(5 * time.Second)
	f.must(h.AwaitListener(ctx, "127.0.0.1:4999"))
	for ref, digest := range b.tags {
		r := h.Run(ctx, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://127.0.0.1:4999/"+ref)
		if strings.TrimSpace(r.Stdout) != digest {
			t.Errorf("%s: want %s: %v", ref, digest, r)
		}
		r = h.Run(ctx, "skopeo", "copy", "-q", "--src-tls-verify=false",
			"docker://127.0.0.1:4999/"+ref, "dir:/tmp/foreign")
		if !r.OK() {
			t.Errorf("copying %s: %v", ref, r)
		}
	}
}

// testReboot takes the power from hosts and deploy server, as far as a lab can:
// every process is killed, and what starts by itself is sshd and the engine.
func testReboot(t *testing.T, f *fleet, b bundle) {
	ctx := within(t, engineBudget)
	var all sync.WaitGroup
	for _, h := range append(slices.Clone(f.targets), f.deploy) {
		all.Go(func() {
			if err := h.Reboot(ctx); err != nil {
				t.Errorf("rebooting: %v", err)
			}
		})
	}
	all.Wait()
	for _, h := range f.targets {
		if err := h.AwaitListener(ctx, hostRegistry); err != nil {
			t.Fatalf("after the reboot nothing listens: %v", err)
		}
		f.wantServed(h, b, "store")
	}
	f.wantCentral(ctx, b)
}

// testR9 changes one layer under the same tag and kills one host's agent while
// that is being sent. Afterwards every host's engine has to get the same images.
func testR9(t *testing.T, f *fleet) {
	f.must(f.deploy.LimitRate("16mbit"))
	old, b := bigBundle(t), changedBigBundle(t)
	f.distribute(f.put(old)).wantCode(exitLocal)
	before := f.imageIDs(f.targets[0], old)

	victim := f.targets[1]
	p := f.start("--globals-dir", "/etc/kolla/globals.d", f.put(b))
	f.awaitTransfer(victim.Name(), 500<<10)
	f.killAgents(victim)
	r := f.finish(p)
	if r.Code != exitLocal && r.Code != exitCentral {
		t.Fatalf("a host whose agent was killed is neither local nor central: %v\nreport:\n%s", r.Result, r.raw)
	}
	f.wantLocal(r, b, f.others(victim.Name())...)
	want := f.imageIDs(f.targets[0], b)
	if maps.Equal(before, want) {
		t.Error("the update changed no image")
	}
	for _, h := range f.targets[1:] {
		if got := f.imageIDs(h, b); !maps.Equal(got, want) {
			t.Errorf("images on %s: %v, on %s: %v", h.Name(), got, f.targets[0].Name(), want)
		}
	}
}

// testRollback goes back to the first bundle.
func testRollback(t *testing.T, f *fleet, b bundle) {
	r := f.wantDistributed(f.put(b), b)
	for _, h := range f.targets {
		if n := r.host(h.Name()).Received; n != 0 {
			t.Errorf("%s received %d bytes of a set that it had", h.Name(), n)
		}
	}
}
