package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// inspected is a part of what bundle inspect prints.
type inspected struct {
	Set    string `json:"set"`
	Images []struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	} `json:"images"`
}

// inspect asks for a source's content, on a host.
func inspect(t *testing.T, h *lab.Host, program, source string) inspected {
	t.Helper()
	r := h.Run(within(t, time.Minute), program, "bundle", "inspect", "-o", "json", source)
	var got inspected
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil || !r.OK() {
		t.Fatalf("%v: %v", err, r)
	}
	return got
}

func (i inspected) wantNames(t *testing.T, want inspected) {
	t.Helper()
	if len(i.Images) != len(want.Images) {
		t.Fatalf("%d images, want %d", len(i.Images), len(want.Images))
	}
	for n, img := range i.Images {
		if w := want.Images[n]; img.Repository != w.Repository || img.Tag != w.Tag {
			t.Errorf("got %s:%s, want %s:%s", img.Repository, img.Tag, w.Repository, w.Tag)
		}
	}
}

// TestSourcesOfRealEngines takes the same images from a registry, from an engine,
// and from what the engine and skopeo save, packed and not.
func TestSourcesOfRealEngines(t *testing.T) {
	t.Parallel()
	built := needProgram(t, "bundle")
	for name, c := range map[string]struct {
		engine     lab.Engine
		cli, flags string
		url        string
	}{
		"Docker": {lab.Docker, "docker", "", "docker://"},
		"Podman": {lab.Podman, "podman", "--tls-verify=false", "podman://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := lab.New(t, lab.Config{Hosts: []lab.HostConfig{{Name: "h1", Engine: c.engine}}}).Host("h1")
			const program, file = "/usr/local/bin/daisy-mcast", "/root/bundle.tgz"
			b := smallBundle(t)
			for path, to := range map[string]string{built: program, b.path: file} {
				if err := h.CopyIn(path, to, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			ctx := within(t, 4*time.Minute)
			sh := func(script string) {
				t.Helper()
				if err := h.Shell(ctx, "cd /root\n"+script); err != nil {
					t.Fatal(err)
				}
			}
			sh("mkdir reg && tar xzf bundle.tgz -C reg")
			serving, err := h.Start(lab.Cmd{Args: []string{program, "registry", "serve", "--store", "/root/reg/tmp/registry", "--listen", hostRegistry}})
			if err != nil {
				t.Fatal(err)
			}
			defer serving.Stop(time.Second)
			if err := h.AwaitListener(ctx, hostRegistry); err != nil {
				t.Fatal(err)
			}
			want := inspect(t, h, program, file)
			if got := inspect(t, h, program, "registry://"+hostRegistry); got.Set != want.Set {
				t.Errorf("the registry has another set: %+v, want %+v", got, want)
			}
			var refs []string
			for _, ref := range b.references() {
				refs = append(refs, hostRegistry+"/"+ref)
				sh(c.cli + " pull -q " + c.flags + " " + hostRegistry + "/" + ref)
				sh("skopeo copy -q --src-tls-verify=false docker://" + hostRegistry + "/" + ref + " oci:layout:" + ref)
			}
			// skopeo makes OCI's manifests of Docker's: other digests, the same images.
			layout := inspect(t, h, program, "/root/layout")
			layout.wantNames(t, want)
			multiple := ""
			if c.engine == lab.Podman {
				multiple = "--multi-image-archive"
			}
			sh(c.cli + " save " + multiple + " -o saved.tar " + strings.Join(refs, " "))
			sh("gzip -k saved.tar")
			sh("tar cf layout.tar -C layout .")
			for out, from := range map[string]string{"a.tar": c.url, "b.tar": "saved.tar", "c.tar": "saved.tar.gz"} {
				sh(program + " bundle create " + out + " --from " + from + " --image 'kolla/*'")
				sh(program + " bundle verify --checksum required " + out)
			}
			sh("cmp a.tar b.tar && cmp a.tar c.tar")
			if got := inspect(t, h, program, "/root/layout.tar"); got.Set != layout.Set {
				t.Errorf("the layout's tar has another set: %+v", got)
			}
			inspect(t, h, program, "/root/a.tar").wantNames(t, want)
		})
	}
}

// TestDistributeFromARegistry distributes what a registry on the deploy server has.
func TestDistributeFromARegistry(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	b := smallBundle(t)
	const source = "127.0.0.1:5000"
	ctx := within(t, time.Minute)
	f.must(f.deploy.Shell(ctx, "mkdir /root/reg && tar xzf "+f.put(b)+" -C /root/reg"))
	serving, err := f.deploy.Start(lab.Cmd{Args: []string{"daisy-mcast", "registry", "serve", "--store", "/root/reg/tmp/registry", "--listen", source}})
	f.must(err)
	defer serving.Stop(time.Second)
	f.must(f.deploy.AwaitListener(ctx, source))
	r := f.distribute("registry://" + source)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
}

// TestDistributeFromTheEngine distributes what the deploy server's Docker has. A second
// run has no image saved again, and finds a blob that was damaged meanwhile.
func TestDistributeFromTheEngine(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1, Engines: map[string]lab.Engine{"deploy": lab.Docker}})
	b := smallBundle(t)
	ctx := within(t, 3*time.Minute)
	f.must(f.deploy.Shell(ctx, "mkdir /root/reg && tar xzf "+f.put(b)+" -C /root/reg"))
	const source = "127.0.0.1:5000"
	serving, err := f.deploy.Start(lab.Cmd{Args: []string{"daisy-mcast", "registry", "serve", "--store", "/root/reg/tmp/registry", "--listen", source}})
	f.must(err)
	defer serving.Stop(time.Second)
	f.must(f.deploy.AwaitListener(ctx, source))
	for _, ref := range b.references() {
		f.must(f.deploy.Shell(ctx, "docker pull -q "+source+"/"+ref))
	}
	want := inspect(t, f.deploy, "daisy-mcast", "docker://")
	run := func() run {
		t.Helper()
		r := f.distribute("--image", "kolla/*", "docker://")
		r.wantCode(exitLocal)
		served := inspect(t, f.Host("h1"), f.programOn(f.Host("h1")), "registry://"+hostRegistry)
		served.wantNames(t, want)
		return r
	}
	// The archives' layers are not compressed, which is told when one is read.
	const saved = "layers are not compressed"
	if r := run(); !strings.Contains(r.Stderr, saved) {
		t.Errorf("no image was saved: %s", r.Stderr)
	}
	if r := run(); strings.Contains(r.Stderr, saved) || r.report.SentBytes != 0 {
		t.Errorf("a run that changes nothing sent %d bytes: %s", r.report.SentBytes, r.Stderr)
	}
	f.rotIn("deploy", baseDir+"/central")
	if r := run(); !strings.Contains(r.Stderr, saved) || r.report.SentBytes != 0 {
		t.Errorf("the repair of the central store sent %d bytes: %s", r.report.SentBytes, r.Stderr)
	}
	f.must(f.deploy.Shell(ctx, "daisy-mcast registry verify --store "+baseDir+"/central"))
}
