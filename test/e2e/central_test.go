package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// centralAddress is where the central registry listens by default.
func (f *fleet) centralAddress() string { return f.deploy.Addr().String() + ":4000" }

// wantCentral checks that the central registry serves the bundle over TLS, and
// not without (R11, R12). Its certificate is the hosts' business; see R12's own
// test.
func (f *fleet) wantCentral(ctx context.Context, b bundle) {
	f.t.Helper()
	h := f.targets[0]
	f.must(h.AwaitListener(ctx, f.centralAddress()))
	client := h.HTTP()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for ref, digest := range b.tags {
		repository, tag, _ := strings.Cut(ref, ":")
		req, err := http.NewRequestWithContext(ctx, http.MethodGet,
			"https://"+f.centralAddress()+"/v2/"+repository+"/manifests/"+tag, nil)
		f.must(err)
		req.Header.Set("Accept", manifestTypes)
		resp, err := client.Do(req)
		if err != nil {
			f.t.Errorf("the central registry: %v", err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprintf("sha256:%x", sha256.Sum256(body)); got != digest {
			f.t.Errorf("the central registry answers for %s with %s %s, want %s", ref, resp.Status, got, digest)
		}
	}
	if resp, err := h.HTTP().Get("http://" + f.centralAddress() + "/v2/"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			f.t.Error("the central registry answers without TLS")
		}
	}
}

// TestR11CentralRegistryOutlivesTheRun has hosts lean on it after the run.
func TestR11CentralRegistryOutlivesTheRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	b := smallBundle(t)
	f.distribute(f.put(b)).wantCode(exitLocal)
	f.wantCentral(within(t, 30*time.Second), b)
	r := f.deploy.Run(within(t, 30*time.Second), "daisy-mcast", "registry", "status")
	if !strings.Contains(r.Stdout+r.Stderr, "4000") {
		t.Errorf("registry status says nothing of port 4000: %v", r)
	}
}

// TestR11DeployServerIsATarget serves both addresses from one process.
func TestR11DeployServerIsATarget(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	f.targets = append(f.targets, f.deploy)
	f.writeHosts(nil)
	b := smallBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantCentral(within(t, 30*time.Second), b)
	if n := len(f.deploy.FindProcesses("registry", "serve")); n != 1 {
		t.Errorf("%d registries run on the deploy server, want one with both addresses", n)
	}
}

// TestR12EnginePullsFromTheCentralRegistry: with --fallback per-host a host that
// leans on the central registry does so with its own engine, over TLS, without
// a restart of the engine.
func TestR12EnginePullsFromTheCentralRegistry(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Engines: map[string]lab.Engine{
		"h1": lab.DockerKollaLike, "h2": lab.DockerKollaLike}, Disks: map[string]string{"h2": diskForProgram(t)}})
	b := bigBundle(t)
	ctx := within(t, 2*time.Minute)
	dockerd := f.Host("h2").FindProcesses("dockerd")[0].PID
	f.must(f.deploy.Shell(ctx, "mkdir -p /etc/kolla/globals.d"))

	r := f.distribute("--fallback", "per-host", "--globals-dir", "/etc/kolla/globals.d", f.put(b))
	r.wantCode(exitCentral)
	r.want("h2", "central", "disk")
	f.wantLocal(r, b, f.Host("h1"))
	for _, ref := range b.references() {
		if r := f.Host("h2").Run(ctx, "docker", "pull", "-q", f.centralAddress()+"/"+ref); !r.OK() {
			t.Errorf("the engine does not pull from the address that Kolla will use: %v", r)
		}
	}
	if now := f.Host("h2").FindProcesses("dockerd")[0].PID; now != dockerd {
		t.Errorf("dockerd was restarted: process %d, then %d", dockerd, now)
	}
	text, err := f.deploy.ReadFile("/etc/kolla/globals.d/zz-daisy-mcast.yml")
	f.must(err)
	if !bytes.Contains(text, []byte(f.centralAddress())) || !bytes.Contains(text, []byte("h2")) {
		t.Errorf("the drop-in does not send h2 to %s:\n%s", f.centralAddress(), text)
	}
}

// TestR12NoCertificateNoPull guards the test above: without the CA in place the
// engine refuses the central registry.
func TestR12NoCertificateNoPull(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engines: map[string]lab.Engine{"h1": lab.DockerKollaLike}})
	b := smallBundle(t)
	f.distribute(f.put(b)).wantCode(exitLocal)
	ctx := within(t, time.Minute)
	f.must(f.Host("h1").Shell(ctx, "rm -rf /etc/docker/certs.d"))
	ref := slices.Sorted(slices.Values(b.references()))[0]
	if r := f.Host("h1").Run(ctx, "docker", "pull", "-q", f.centralAddress()+"/"+ref); r.OK() {
		t.Errorf("pulled from a registry whose CA nobody knows: %v", r)
	}
}
