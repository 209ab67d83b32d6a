package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestR5SetOfAnotherArchitecture: hosts that could not run its images have
// failed, before anything is sent.
func TestR5SetOfAnotherArchitecture(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	b := makeBundle(t, sample.Options{LayerSize: smallLayers, Architecture: "s390x", Seed: 3})
	r := f.distribute(f.put(b))
	r.wantCode(exitFailed)
	r.want("h1", "failed", "architecture")
}

// TestR11TwoDeployments from one server do not touch each other.
func TestR11TwoDeployments(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	small, big := smallBundle(t), bigBundle(t)
	f.must(f.deploy.CopyIn(small.path, "/root/small.tgz", 0o644))
	f.must(f.deploy.CopyIn(big.path, "/root/big.tgz", 0o644))
	first := f.distribute("--deployment", "one", "--limit", "h1", "/root/small.tgz")
	first.wantCode(exitLocal)
	second := f.distribute("--deployment", "two", "--limit", "h2", "/root/big.tgz")
	second.wantCode(exitLocal)
	f.wantServed(f.Host("h1"), small, "store")
	f.wantServed(f.Host("h2"), big, "store")
	if n := len(f.deploy.FindProcesses("registry", "serve")); n != 2 {
		t.Errorf("%d central registries run, want one for each deployment", n)
	}
	for _, c := range carriers { // not the ports of a named deployment
		f.must(f.Host("h1").BlockTCPTo(c.port))
	}
	r := f.distribute("--deployment", "one", "--limit", "h1", "/root/big.tgz")
	r.wantCode(exitLocal)
	f.wantServed(f.Host("h1"), big, "store")
}

// TestR12FallbackAll: one leaning host sends all of Kolla's hosts to the
// central registry.
func TestR12FallbackAll(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Engine: lab.DockerKollaLike,
		Disks: map[string]string{"h2": diskForProgram(t)}})
	b := bigBundle(t)
	f.must(f.deploy.Shell(t.Context(), "mkdir -p /etc/kolla/globals.d"))
	r := f.distribute("--fallback", "all", "--globals-dir", "/etc/kolla/globals.d", f.put(b))
	r.wantCode(exitCentral)
	text, err := f.deploy.ReadFile("/etc/kolla/globals.d/zz-daisy-mcast.yml")
	f.must(err)
	_, settings, _ := strings.Cut(string(text), "---\n") // what is before is a comment, for us to read
	if !strings.Contains(settings, f.centralAddress()) || strings.Contains(settings, hostRegistry) {
		t.Errorf("the drop-in sends not every host to %s:\n%s", f.centralAddress(), text)
	}
	f.wantPulled(b, f.centralAddress())
}

// TestR14ChangingTheDropInSaysWhatItCosts, and what in Kolla's own files stands
// against it is named with file and line (R13).
func TestR14ChangingTheDropInSaysWhatItCosts(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	b := smallBundle(t)
	path := f.put(b)
	f.must(f.deploy.WriteFile("/etc/kolla/globals.yml",
		[]byte("---\nkolla_base_distro: centos\ndocker_namespace: \"lokolla\"\n"), 0o644))
	f.must(f.deploy.Shell(t.Context(), "mkdir -p /etc/kolla/globals.d"))
	args := []string{"--globals-dir", "/etc/kolla/globals.d", path}
	r := f.distribute(args...)
	r.wantCode(exitLocal)
	said := strings.Join(r.report.Warnings, "\n")
	if !strings.Contains(strings.ToLower(said), "recreate") {
		t.Errorf("nothing is said of Kolla recreating containers: %q", said)
	}
	if !strings.Contains(said, "globals.yml:3") {
		t.Errorf("the other docker_namespace is not named with file and line: %q", said)
	}
	r = f.distribute(args...)
	r.wantCode(exitLocal)
	if said := strings.Join(r.report.Warnings, "\n"); strings.Contains(strings.ToLower(said), "recreate") {
		t.Errorf("nothing changed, and yet: %q", said)
	}
}

// TestR11ExistingCentralRegistry leans on a registry that is not ours: Debian's,
// over TLS, with a password.
func TestR11ExistingCentralRegistry(t *testing.T) {
	t.Parallel()
	lab.Need(t, "docker-registry", "openssl", "skopeo")
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": diskForProgram(t)},
		Extra: []lab.HostConfig{{Name: "company"}}})
	b := bigBundle(t)
	company := f.Host("company")
	f.must(f.serveForeign(company, b))
	f.must(f.deploy.Shell(t.Context(), "scp -q company:/etc/lab-registry.crt /root/ca.pem"))
	f.must(f.deploy.WriteFile("/root/auth", []byte("reader:"+marker("registry")+"\n"), 0o600))
	r := f.distribute("--central", fmt.Sprintf("https://%s:5443", company.Addr()),
		"--central-ca", "/root/ca.pem", "--central-auth-file", "/root/auth", f.put(b))
	r.wantCode(exitCentral)
	f.wantLocal(r, b, f.Host("h1"))
	r.want("h2", "central", "disk")
	f.wantServed(f.Host("h2"), b, "")
	for _, h := range f.targets {
		for _, where := range processesWith(h, marker("registry")) {
			t.Errorf("%s on %s holds the registry's password", where, h.Name())
		}
	}
	if strings.Contains(r.Stdout+r.Stderr+r.raw, marker("registry")) {
		t.Error("the registry's password was printed")
	}
}

// serveForeign serves a bundle by Debian's docker-registry, with a certificate
// and a password.
func (f *fleet) serveForeign(h *lab.Host, b bundle) error {
	ctx := within(f.t, time.Minute)
	const config = `version: 0.1
storage:
  filesystem:
    rootdirectory: /srv/tmp/registry
http:
  addr: 0.0.0.0:5443
  tls:
    certificate: /etc/lab-registry.crt
    key: /etc/lab-registry.key
auth:
  htpasswd:
    realm: company
    path: /etc/lab-registry.htpasswd
`
	if err := h.CopyIn(b.path, "/srv/bundle.tgz", 0o644); err != nil {
		return err
	}
	if err := h.WriteFile("/etc/lab-registry.yml", []byte(config), 0o644); err != nil {
		return err
	}
	hash, err := bcryptOf(ctx, h, marker("registry"))
	if err != nil {
		return err
	}
	if err := h.WriteFile("/etc/lab-registry.htpasswd", []byte("reader:"+hash+"\n"), 0o644); err != nil {
		return err
	}
	err = h.Shell(ctx, "tar -C /srv -xzf /srv/bundle.tgz\n"+
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=company "+
		"-addext subjectAltName=IP:"+h.Addr().String()+" -keyout /etc/lab-registry.key -out /etc/lab-registry.crt 2>/dev/null")
	if err != nil {
		return err
	}
	if _, err := h.Start(lab.Cmd{Args: []string{"docker-registry", "serve", "/etc/lab-registry.yml"}}); err != nil {
		return err
	}
	return h.AwaitListener(ctx, h.Addr().String()+":5443")
}

// bcryptOf hashes a password as htpasswd -B does, by crypt(3).
func bcryptOf(ctx context.Context, h *lab.Host, password string) (string, error) {
	r := h.Run(ctx, "perl", "-e", "print crypt($ARGV[0], '$2y$05$abcdefghijklmnopqrstuu')", password)
	if !r.OK() || !strings.HasPrefix(r.Stdout, "$2y$") {
		return "", fmt.Errorf("hashing a password: %v", r)
	}
	return r.Stdout, nil
}
