package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestR15Podman distributes to a host whose engine is Podman.
func TestR15Podman(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.Podman, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	b := smallBundle(t)
	r := f.distribute("--engine", "podman", f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantLoopbackOnly(f.targets...)
	ctx := within(t, time.Minute)
	for _, ref := range b.references() {
		name := hostRegistry + "/" + ref
		if r := f.targets[0].Run(ctx, "podman", "pull", "-q", "--tls-verify=false", name); !r.OK() {
			t.Error(r)
		}
	}
}

// TestR15EngineKilledAndStarted: the registry serves again, on a host and on
// the deploy server.
func TestR15EngineKilledAndStarted(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	b := smallBundle(t)
	f.distribute(f.put(b)).wantCode(exitLocal)
	ctx := within(t, 2*time.Minute)
	for _, h := range f.Hosts() {
		f.must(h.KillEngine(ctx))
		f.must(h.StartEngine(ctx))
	}
	f.must(f.targets[0].AwaitListener(ctx, hostRegistry))
	f.wantServed(f.targets[0], b, "store")
	f.wantCentral(ctx, b)
}

// TestContainerHasNoMoreThanItNeeds looks at the container as the engine does.
func TestContainerHasNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.DockerKollaLike})
	f.distribute(f.put(smallBundle(t))).wantCode(exitLocal)
	const format = "net={{.HostConfig.NetworkMode}} ro={{.HostConfig.ReadonlyRootfs}} restart={{.HostConfig.RestartPolicy.Name}} " +
		"drop={{.HostConfig.CapDrop}} privileged={{.HostConfig.Privileged}} opt={{.HostConfig.SecurityOpt}} " +
		"{{range .Mounts}}mount={{.Destination}}:{{.RW}} {{end}}labels={{.Config.Labels}}"
	r := f.targets[0].Run(within(t, 20*time.Second), "docker", "inspect", "-f", format, "daisy-mcast-registry")
	for _, want := range []string{"net=host", "ro=true", "restart=always", "drop=[ALL]", "privileged=false", "no-new-privileges", ":false"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the container has no %q: %v", want, r)
		}
	}
	if strings.Contains(r.Stdout, "kolla_version") || strings.Contains(r.Stdout, "mount=/store:true") {
		t.Errorf("the container has what it must not: %v", r)
	}
}

// TestServiceMode proves the unit as far as a machine without systemd can: by
// systemd-analyze, and by running its ExecStart.
func TestServiceMode(t *testing.T) {
	t.Parallel()
	lab.Need(t, "systemd-analyze")
	f := newFleet(t, fleetConfig{Targets: 1})
	for _, h := range f.Hosts() {
		f.must(h.PretendSystemd())
	}
	b := smallBundle(t)
	r := f.distribute("--registry-mode", "service", f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantLoopbackOnly(f.targets...)
	const unit = "/etc/systemd/system/daisy-mcast-registry.service"
	v := f.targets[0].Run(within(t, time.Minute), "systemd-analyze", "verify", "--man=no", unit)
	if !v.OK() || strings.Contains(v.Stderr, unit) {
		text, _ := f.targets[0].ReadFile(unit)
		t.Errorf("%v\n%s", v, text)
	}
}

// TestR15PodmanComesBackAfterReboot: restart=always is nothing to Podman after a
// reboot; its container has a unit.
func TestR15PodmanComesBackAfterReboot(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engine: lab.Podman})
	h := f.targets[0]
	f.must(h.PretendSystemd())
	b := smallBundle(t)
	r := f.distribute("--engine", "auto", "--registry-mode", "container", f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, h)
	if !strings.Contains(r.raw, `"survives_reboot": true`) {
		t.Errorf("the report does not say that it survives a reboot:\n%s", r.raw)
	}
	ctx := within(t, 2*time.Minute)
	f.must(h.Reboot(ctx))
	f.must(h.AwaitListener(ctx, hostRegistry))
	f.wantServed(h, b, "store")
	f.wantLoopbackOnly(h)
}

// TestR15EngineThatWasNotAskedFor: --engine names one, and another is not taken for
// it.
func TestR15EngineThatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Engines: map[string]lab.Engine{
		"deploy": lab.Podman, "h1": lab.Podman, "h2": lab.DockerKollaLike}})
	b := smallBundle(t)
	r := f.distribute("--engine", "podman", "--registry-mode", "container", f.put(b))
	r.wantCode(exitFailed)
	r.want("h2", "failed", "engine")
	f.wantLocal(r, b, f.Host("h1"))
}
