package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestAnsibleConnections: nobody is root by login. The operator's user on the
// control node, his user on the hosts, sudo with a password on both, a port and a
// key that the inventory names.
func TestAnsibleConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 2})
	b := smallBundle(t)
	s.put(b)
	ctx := within(t, time.Minute)
	password := marker("sudo")
	s.must(s.deploy.AddUser(ctx, lab.User{Name: "kolla", Password: password, Sudo: lab.SudoPassword}))
	for _, h := range s.hosts {
		s.must(h.AddUser(ctx, lab.User{Name: "stack", Password: password, Sudo: lab.SudoPassword}))
	}
	s.must(s.deploy.Operator(ctx, "kolla", "stack", s.hosts...))
	s.must(s.deploy.Shell(ctx, `chmod 755 /root && chmod -R a+rX /root/site `+bundleDir+` && chown -R kolla `+etcKolla+`
mv /home/kolla/.ssh/id_ed25519 /home/kolla/key && rm -f /home/kolla/.ssh/id_ed25519.pub`))
	s.inventory("ansible_user=stack", "ansible_ssh_private_key_file=/home/kolla/key",
		"ansible_ssh_common_args='-o ServerAliveInterval=20 -C -o StrictHostKeyChecking=accept-new'",
		"ansible_become_password="+password, "ansible_port=22")
	p := s.runPlay(lab.Cmd{Args: s.command("deploy", []string{"-vvv"}), User: "kolla"})
	p.wantOK()
	p.says("always checks host keys")
	for _, h := range s.hosts {
		s.wantServed(h, b, "store")
	}
	if strings.Contains(strings.SplitN(p.Stdout, "PLAY RECAP", 2)[0], password) {
		t.Error("the password is printed")
	}
	for _, h := range s.Hosts() {
		if found := processesWith(h, password); len(found) > 0 {
			t.Errorf("%s: the password is in %v", h.Name(), found)
		}
	}
	again := s.runPlay(lab.Cmd{Args: s.command("deploy", nil), User: "kolla"})
	again.want("changed", 0, s.names()...)
}

// TestAnsiblePodman has Podman as Kolla's engine.
func TestAnsiblePodman(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 1, Engine: lab.Podman, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	b := smallBundle(t)
	s.put(b)
	clean := traces(t, s.hosts[0])
	s.must(s.deploy.WriteFile(etcKolla+"/globals.yml", []byte("---\nkolla_container_engine: podman\n"), 0o644))
	p := s.play("deploy", "-e", "@"+etcKolla+"/globals.yml")
	p.wantOK()
	s.wantServed(s.hosts[0], b, "store")
	r := s.hosts[0].Run(within(t, time.Minute), "podman", "pull", "-q", hostRegistry+"/"+b.references()[0])
	if !r.OK() {
		t.Error(r)
	}
	s.play("deploy", "-e", "@"+etcKolla+"/globals.yml").want("changed", 0, "h1")
	s.play("destroy", "-e", "@"+etcKolla+"/globals.yml").wantOK()
	for path := range traces(t, s.hosts[0]) {
		if !clean[path] && !strings.HasPrefix(path, "/var/lib/containers") {
			t.Errorf("%s is left", path)
		}
	}
}

// TestAnsibleSenderDeploymentPreload: one of the hosts sends and has the central
// registry, the cloud has a name of its own, and the engines get the images too.
func TestAnsibleSenderDeploymentPreload(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 3, Engine: lab.DockerKollaLike, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	b := smallBundle(t)
	s.put(b)
	_, err := s.Host("h3").Occupy(t.Context(), hostRegistry)
	s.must(err)
	clean := map[string]map[string]bool{}
	for _, h := range s.Hosts() {
		clean[h.Name()] = traces(t, h)
	}
	options := []string{"-e", "kolla_mcast_sender=h1 kolla_mcast_deployment=blue kolla_mcast_preload=true"}
	p := s.play("deploy", options...)
	p.wantOK()
	p.says("h3 has failed (port taken")
	central := s.Host("h1").Addr().String() + ":"
	if !strings.Contains(s.dropIn(), central) {
		t.Errorf("h3 is not sent to the central registry on h1:\n%s", s.dropIn())
	}
	for _, h := range s.hosts[:2] {
		r := h.Run(within(t, time.Minute), "docker", "image", "inspect", "-f", "{{.Id}}", hostRegistry+"/"+b.references()[0])
		if !r.OK() {
			t.Errorf("%s: not preloaded: %v", h.Name(), r)
		}
	}
	s.kolla().wantOK()
	s.play("deploy", options...).want("changed", 0, s.names()...)
	s.play("upgrade", append(options, "-e", "kolla_mcast_keep_sets=1")...).wantOK()
	s.play("precheck", append(options, "--limit", "!h3")...).wantOK()
	s.play("destroy", options...).wantOK()
	for _, h := range s.Hosts() {
		for path := range traces(t, h) {
			ours := strings.HasPrefix(path, siteDir) || path == dropInFile || strings.Contains(path, "ansible")
			if !clean[h.Name()][path] && !ours {
				t.Errorf("%s: %s is left", h.Name(), path)
			}
		}
		if found := h.FindProcesses("daisy-mcast"); len(found) > 0 {
			t.Errorf("%s: still runs: %v", h.Name(), found)
		}
	}
}

// TestAnsibleAllInOne: the control node is Kolla's only host.
func TestAnsibleAllInOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 1, Engines: map[string]lab.Engine{"deploy": lab.DockerKollaLike}})
	b := smallBundle(t)
	s.put(b)
	s.write("inventory", "[control]\nlocalhost ansible_connection=local\n[compute:children]\ncontrol\n[baremetal:children]\ncontrol\n")
	s.play("deploy").wantOK()
	s.wantServed(s.deploy, b, "")
	s.kolla().wantOK()
	s.play("deploy").want("changed", 0, "localhost")
	s.play("precheck").wantOK()
}

// TestExampleDaisyToKolla walks from Daisy's files to Kolla's pull.
func TestExampleDaisyToKolla(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 2, Engine: lab.DockerKollaLike, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	s.put(smallBundle(t))
	const walk = "/root/walk"
	files, err := filepath.Glob("../../examples/daisy-to-kolla/*")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		s.must(err)
		s.must(s.deploy.CopyIn(f, walk+"/"+filepath.Base(f), info.Mode().Perm()))
	}
	for _, name := range []string{"deploy.yml", "network.yml"} { // the lab's addresses instead of nobody's
		text, err := s.deploy.ReadFile(walk + "/" + name)
		s.must(err)
		changed := strings.NewReplacer("192.0.2.11", s.hosts[0].Addr().String(), "192.0.2.21", s.hosts[1].Addr().String(),
			"192.0.2.22", "10.20.11.99", "192.0.2.", "10.20.11.").Replace(string(text))
		s.must(s.deploy.WriteFile(walk+"/"+name, []byte(changed), 0o600))
	}
	s.write("kolla-pull.yml", strings.ReplaceAll(kollaPull, "compute:control", "compute1:control1"))
	ctx := within(t, playBudget)
	r := s.deploy.RunCmd(ctx, lab.Cmd{
		Args: []string{walk + "/walk.sh", "--limit", "!compute2"}, // there are two hosts
		Env: []string{"ANSIBLE_COLLECTIONS_PATH=/usr/local/share/collections", "ANSIBLE_NOCOLOR=1",
			"KOLLA_PULL=ansible-playbook " + siteDir + "/kolla-pull.yml --limit !compute2"},
	})
	t.Logf("%v", r)
	if !r.OK() {
		t.Fatal("the walk failed")
	}
	for _, want := range []string{"|--compute2", "control1 : ok=", "TASK [Bootstrap]"} {
		if !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	// The hosts from Daisy's files instead of the inventory's: the same hosts, by other means.
	p := s.runPlay(lab.Cmd{Dir: walk, Args: s.command("deploy", []string{"-i", walk + "/daisy.yml", "--limit", "!compute2",
		"-e", "kolla_mcast_deploy_file=" + walk + "/deploy.yml"}),
		Env: []string{"ANSIBLE_INVENTORY_ENABLED=daisy.kolla_mcast.daisy"}})
	p.wantOK()
	p.want("changed", 0, "control1", "compute1")
	if !strings.Contains(p.Stdout, "daisy-mcast: control1: local") {
		t.Error("the hosts are not called as Daisy calls them")
	}
}

// overheadBound is what the role may take beyond the program that it runs.
const overheadBound = 10 * time.Second

// TestAnsibleOverhead measures the role beside the bare command, at sixteen hosts,
// with nothing to send: what is left is the role's own. It is not parallel to the
// other tests, it is a fifth of the bound on a quiet machine, and the best of three
// counts: what else the machine does is not the role's.
func TestAnsibleOverhead(t *testing.T) {
	s := newSite(t, fleetConfig{Targets: 16})
	path := s.put(smallBundle(t))
	s.play("deploy").wantOK()
	measured(t, s.Lab, func() (wrong []string) {
		best := time.Hour
		for i := 0; i < 3 && best > overheadBound; i++ {
			bare := s.distribute("--globals-dir", globalsD, path)
			bare.wantCode(exitLocal)
			role := s.play("deploy")
			role.wantOK()
			role.want("changed", 0, s.names()...)
			fmt.Printf("16 hosts: the role %.1f s, distribute alone %.1f s\n", role.Took.Seconds(), bare.Took.Seconds())
			best = min(best, role.Took-bare.Took)
		}
		if best > overheadBound {
			wrong = append(wrong, fmt.Sprintf("the role takes %v more than distribute alone, want at most %v", best, overheadBound))
		}
		return wrong
	})
}
