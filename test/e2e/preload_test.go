package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// wantPreloaded checks that a host's engine has the images by the names that Kolla
// will use and with the bundle's digests, and runs them with the registry stopped.
func (f *fleet) wantPreloaded(h *lab.Host, client string, b bundle, refs []string) {
	f.t.Helper()
	ctx := within(f.t, engineBudget)
	for _, ref := range refs {
		name := hostRegistry + "/" + ref
		r := h.Run(ctx, client, "image", "inspect", "-f", "{{.RepoDigests}}", name)
		repository, _ := split(ref)
		if want := hostRegistry + "/" + repository + "@" + b.tags[ref]; !strings.Contains(r.Stdout, want) {
			f.t.Errorf("%s: want %s: %v", h.Name(), want, r)
		}
	}
}

// TestPreloadDocker: the engine has the images before anybody asks; a second run
// loads nothing, a moved tag loads what moved.
func TestPreloadDocker(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Engine: lab.DockerKollaLike})
	b := smallBundle(t)
	path := f.put(b)
	r := f.distribute("--preload", path)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	for _, h := range f.targets {
		if p := r.host(h.Name()).Preload; p.Images != len(b.tags) || p.Loaded != p.Images {
			t.Errorf("%s: %+v, want %d images", h.Name(), p, len(b.tags))
		}
		f.wantPreloaded(h, "docker", b, b.references())
	}
	ctx := within(t, time.Minute)
	f.must(f.targets[0].Shell(ctx, "docker stop -t 1 daisy-mcast-registry >/dev/null"))
	for _, ref := range b.references() {
		r := f.targets[0].Run(ctx, "docker", "run", "--rm", "--network", "none", "--pull", "never", hostRegistry+"/"+ref)
		if !r.OK() || r.Stdout != "hello [from a bundle]\n" {
			t.Errorf("without a registry: %v", r)
		}
	}

	r = f.distribute("--preload", path)
	r.wantCode(exitLocal)
	for _, h := range f.targets {
		if p := r.host(h.Name()).Preload; p.Loaded != 0 || p.Present != len(b.tags) {
			t.Errorf("a second run: %s: %+v", h.Name(), p)
		}
	}
	changed := changedBundle(t)
	r = f.distribute("--preload", f.put(changed))
	r.wantCode(exitLocal)
	for _, h := range f.targets {
		if p := r.host(h.Name()).Preload; p.Loaded != 1 || p.Present != len(b.tags)-1 {
			t.Errorf("with one image changed: %s: %+v", h.Name(), p)
		}
		f.wantPreloaded(h, "docker", changed, changed.references())
	}
}

// TestPreloadPodman: by pattern; its service was up before the file was there that
// says that the address speaks no TLS.
func TestPreloadPodman(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.Podman, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	b := smallBundle(t)
	r := f.distribute("--engine", "podman", "--preload-image", "*-mariadb", f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	var refs []string
	for _, ref := range b.references() {
		if repository, _ := split(ref); strings.HasSuffix(repository, "-mariadb") {
			refs = append(refs, ref)
		}
	}
	if p := r.host("h1").Preload; p.Images != len(refs) || p.Loaded != len(refs) || len(refs) == 0 {
		t.Errorf("%+v, want %q", p, refs)
	}
	f.wantPreloaded(f.targets[0], "podman", b, refs)
}

// TestR16NoRoomInTheEngine: seen before anything is sent, on the data root; the
// registry serves all the same.
func TestR16NoRoomInTheEngine(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Engine: lab.DockerKollaLike})
	b := bigBundle(t)
	h := f.Host("h2")
	h.StopEngine()
	f.must(h.MountDisk("/var/lib/docker", "64m")) // enough for the registry's image
	f.must(h.StartEngine(within(t, time.Minute)))
	r := f.distribute("--preload", f.put(b))
	r.wantCode(exitFailed)
	f.wantLocal(r, b, f.targets...)
	if p := r.host("h2").Preload; p.Reason != "disk full" || !strings.Contains(p.Detail, "/var/lib/docker") || p.Loaded != 0 {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(r.Stdout, "preload: disk full") {
		t.Errorf("the table does not say it:\n%s", r.Stdout)
	}
	if p := r.host("h1").Preload; p.Loaded != len(b.tags) {
		t.Errorf("h1: %+v", p)
	}
}
