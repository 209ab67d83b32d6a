package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestAnsibleRole is an operator's life with the role, on one site: its parts
// follow on one another.
func TestAnsibleRole(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 4, Engine: lab.DockerKollaLike, Engines: map[string]lab.Engine{"deploy": lab.Docker}})
	added := s.hosts[3]
	s.hosts = s.hosts[:3]
	s.inventory("ansible_user=root")
	b := smallBundle(t)
	s.put(b)
	clean := map[string]map[string]bool{}
	for _, h := range s.Hosts() {
		clean[h.Name()] = traces(t, h)
	}
	part := func(name string, do func(*testing.T, *site)) {
		t.Run(name, func(t *testing.T) { do(t, s.as(t)) })
	}
	part("CheckModeChangesNothing", testAnsibleCheck)
	part("Deploy", func(t *testing.T, s *site) { testAnsibleDeploy(t, s, b) })
	part("KollaPullsAndStarts", func(t *testing.T, s *site) { s.kolla().wantOK() })
	part("SecondRunChangesNothing", testAnsibleAgain)
	part("Serial", testAnsibleSerial)
	s.hosts = append(s.hosts, added)
	s.inventory("ansible_user=root")
	part("LimitToAnAddedHost", func(t *testing.T, s *site) { testAnsibleAdded(t, s, b) })
	part("UpgradeOfOneImage", testAnsibleUpgrade)
	part("R14PrecheckNamesHostsWithoutRegistry", testAnsiblePrecheck)
	part("Destroy", func(t *testing.T, s *site) { testAnsibleDestroy(t, s, clean) })
}

func testAnsibleCheck(t *testing.T, s *site) {
	p := s.play("deploy", "--check", "--diff")
	p.wantOK()
	p.want("changed", 1, s.names()...)
	for _, h := range s.Hosts() {
		if h.Exists(baseDir+"/store") || len(registryPIDs(h)) > 0 {
			t.Errorf("%s was changed", h.Name())
		}
	}
	if s.deploy.Exists(dropInFile) {
		t.Error("the drop-in was written")
	}
}

// testAnsibleDeploy also looks at when lines are printed: those of the program
// before the task that runs it ends.
func testAnsibleDeploy(t *testing.T, s *site, b bundle) {
	clock := &lineClock{}
	p := s.runPlay(lab.Cmd{Args: s.command("deploy", []string{"--diff", "-e", "kolla_mcast_max_rate=8M"}), Stdout: clock})
	p.wantOK()
	p.want("failed", 0, s.names()...)
	for _, h := range s.hosts {
		s.wantServed(h, b, "store")
	}
	s.wantLoopbackOnly(s.hosts...)
	p.says("+docker_registry:")
	begun, told := clock.first("daisy-mcast: [1/"), clock.first("changed: [")
	if begun.IsZero() || told.IsZero() || told.Sub(begun) < 500*time.Millisecond {
		t.Errorf("the program's first line came at %v, the task's end at %v", begun, told)
	}
}

func testAnsibleAgain(t *testing.T, s *site) {
	before := s.dropIn()
	p := s.play("deploy")
	p.wantOK()
	p.want("changed", 0, s.names()...)
	if s.dropIn() != before {
		t.Error("the drop-in changed")
	}
	s.play("deploy", "--check").want("changed", 0, s.names()...)
}

// testAnsibleSerial: several batches, and one sending for all of them.
func testAnsibleSerial(t *testing.T, s *site) {
	s.put(changedBundle(t))
	s.write("serial.yml", `
- name: In batches
  hosts: baremetal
  gather_facts: false
  serial: 2
  roles:
    - role: daisy.kolla_mcast.kolla_mcast
`)
	p := s.play("serial.yml")
	p.wantOK()
	if n := strings.Count(p.Stdout, "daisy-mcast: [1/"); n != 1 {
		t.Errorf("the program ran %d times, want once for all batches", n)
	}
	for _, h := range s.hosts {
		s.wantServed(h, changedBundle(t), "store")
	}
	s.put(smallBundle(t))
	s.play("deploy").wantOK()
}

// testAnsibleAdded: nothing is sent to the others, and they are not touched.
func testAnsibleAdded(t *testing.T, s *site, b bundle) {
	added, others := s.hosts[3], s.hosts[:3]
	before := map[string][]string{}
	for _, h := range others {
		before[h.Name()] = registryPIDs(h)
	}
	p := s.play("deploy", "--limit", added.Name())
	p.wantOK()
	p.want("changed", 1, added.Name())
	if len(p.recap) != 1 {
		t.Errorf("hosts of the play: %v", p.recap)
	}
	for _, h := range others {
		if after := registryPIDs(h); !slices.Equal(before[h.Name()], after) {
			t.Errorf("the registry of %s was started again", h.Name())
		}
	}
	s.wantServed(added, b, "store")
	s.kolla().wantOK()
}

func testAnsibleUpgrade(t *testing.T, s *site) {
	b := changedBundle(t)
	s.put(b)
	p := s.play("upgrade", "-e", "kolla_mcast_keep_sets=1")
	p.wantOK()
	for _, h := range s.hosts {
		s.wantServed(h, b, "store")
		r := h.Run(within(t, 20*time.Second), "sh", "-c", "ls "+storeDir+"/daisy-mcast/sets | wc -l")
		if strings.TrimSpace(r.Stdout) != "1" {
			t.Errorf("%s keeps %v sets, want 1", h.Name(), r)
		}
	}
	s.kolla().wantOK()
	s.play("upgrade", "-e", "kolla_mcast_keep_sets=1").want("changed", 0, s.names()...)
}

func testAnsiblePrecheck(t *testing.T, s *site) {
	s.play("precheck").wantOK()
	s.play("stop", "--limit", "h2").wantOK()
	s.play("stop", "--limit", "h2").want("changed", 0, "h2")
	p := s.play("precheck")
	if p.Code == 0 {
		t.Error("precheck passed without the registry of h2")
	}
	p.want("failed", 1, "h2")
	p.want("failed", 0, "h1", "h3", "h4")
	p.says("h2 has no registry: its registry does not run")
	s.Host("h3").StopSSH()
	p = s.runPlay(lab.Cmd{Args: s.command("precheck", nil), Env: []string{"ANSIBLE_SSH_ARGS=-o ControlPath=none"}})
	s.must(s.Host("h3").StartSSH(t.Context()))
	p.want("failed", 1, "h2", "h3")
	p.says("h3 has no registry: it cannot be reached")
	s.write("kolla-inventory", "[control]\nh1\nh9\n[baremetal:children]\ncontrol\n")
	p = s.play("precheck", "-e", "kolla_mcast_kolla_inventory="+siteDir+"/kolla-inventory")
	p.says("hosts of Kolla's inventory without a registry: h9")
	p.says("h9 has no registry: this play is not for it")
}

func testAnsibleDestroy(t *testing.T, s *site, clean map[string]map[string]bool) {
	s.play("destroy").wantOK()
	for _, h := range s.Hosts() {
		for path := range traces(t, h) {
			ours := strings.HasPrefix(path, siteDir) || path == dropInFile || path == etcKolla+"/globals.yml" ||
				strings.HasPrefix(path, bundleDir) || strings.Contains(path, "ansible")
			if !clean[h.Name()][path] && !ours {
				t.Errorf("%s: %s is left", h.Name(), path)
			}
		}
		if found := h.FindProcesses("daisy-mcast"); len(found) > 0 {
			t.Errorf("%s: still runs: %v", h.Name(), found)
		}
		r := h.Run(within(t, 20*time.Second), "sh", "-c", "docker ps -aq; docker images -q localhost/daisy-mcast-registry")
		if !r.OK() || r.Stdout != "" {
			t.Errorf("the engine keeps: %v", r)
		}
	}
	if !s.deploy.Exists(dropInFile) {
		t.Error("the drop-in was removed without being asked for (R14)")
	}
	again := s.play("destroy", "-e", "kolla_mcast_remove_drop_in=true")
	again.wantOK()
	again.want("changed", 1, s.names()[0]) // the drop-in, which is nobody's more than the first's
	again.want("changed", 0, s.names()[1:]...)
	if s.deploy.Exists(dropInFile) {
		t.Error("the drop-in is still there")
	}
}

// TestAnsibleFaults: one host is unreachable from the start, one fails in the
// middle, one has another program on the registry's port. Kolla can pull on all
// that SSH reaches.
func TestAnsibleFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 5, Engine: lab.DockerKollaLike, Engines: map[string]lab.Engine{"deploy": lab.NoEngine}})
	b := bigBundle(t)
	s.put(b)
	s.Host("h2").StopSSH()
	_, err := s.Host("h3").Occupy(t.Context(), hostRegistry)
	s.must(err)

	args := []string{"-e", "kolla_mcast_fallback=per-host kolla_mcast_max_rate=16M", "--limit", "!h5"}
	cmd := lab.Cmd{Args: s.command("deploy", args), Dir: siteDir}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.awaitTransfer("h4", 500<<10)
		s.killAgents(s.Host("h4"))
	}()
	p := s.runPlay(cmd)
	<-done
	if p.Code == 0 {
		t.Error("the play passed without h2")
	}
	p.want("failed", 1, "h2")
	p.want("unreachable", 0, "h1", "h2", "h3", "h4")
	p.want("failed", 0, "h1", "h3", "h4")
	p.says("Kolla cannot pull on h2: h2 has failed (refused", "h3 has failed (port taken", "h4 leans on the central registry")
	s.kolla("--limit", "!h2:!h5").wantOK()

	t.Run("LimitLeavesTheOthersFallback", func(t *testing.T) {
		s := s.as(t)
		before := s.dropIn()
		p := s.play("deploy", "-e", "kolla_mcast_fallback=per-host", "--limit", "h5")
		p.wantOK()
		if s.dropIn() != before {
			t.Errorf("the drop-in was\n%s\nand is\n%s", before, s.dropIn())
		}
	})
	t.Run("SerialEndsWithAFailedBatch", func(t *testing.T) { testAnsibleFailedBatch(t, s.as(t)) })
	t.Run("ModuleNamesReasons", func(t *testing.T) { testModuleNamesReasons(t, s.as(t)) })
	t.Run("AllFromTheCentralRegistry", func(t *testing.T) {
		s := s.as(t)
		s.play("deploy", "-e", "kolla_mcast_fallback=all", "--limit", "!h2").wantOK()
		if want := "default('" + s.centralAddress() + "')"; !strings.Contains(s.dropIn(), want) {
			t.Errorf("the drop-in has no %s:\n%s", want, s.dropIn())
		}
		s.kolla("--limit", "!h2").wantOK()
	})
	t.Run("FailOnFallback", func(t *testing.T) {
		s := s.as(t)
		p := s.play("deploy", "-e", "kolla_mcast_fail_on_fallback=true", "--limit", "h1,h3")
		if p.Code == 0 {
			t.Error("the play passed")
		}
		p.want("failed", 1, "h3")
		p.want("failed", 0, "h1")
	})
}

// testAnsibleFailedBatch: Ansible ends a play after a batch of which no host is left,
// here the first. The host of the next one, which has no registry either, has its way
// around by then.
func testAnsibleFailedBatch(t *testing.T, s *site) {
	s.must(s.deploy.Shell(t.Context(), "rm "+dropInFile))
	s.write("failed-batch.yml", `
- name: In batches
  hosts: h2:h3:h1
  order: inventory
  gather_facts: false
  serial: [1, 2]
  any_errors_fatal: true
  pre_tasks:
    - name: Begin with the host that cannot be reached
      ansible.builtin.assert:
        that: ansible_play_batch == ['h2'] or 'h2' not in ansible_play_batch
  roles:
    - role: daisy.kolla_mcast.kolla_mcast
`)
	s.write("inventory", "h2 ansible_host="+s.Host("h2").Addr().String()+"\nh3 ansible_host="+s.Host("h3").Addr().String()+
		"\nh1 ansible_host="+s.Host("h1").Addr().String()+"\n[control]\nh1\n[compute]\nh2\nh3\n[all:vars]\nansible_user=root\n")
	defer s.inventory("ansible_user=root")
	p := s.play("failed-batch.yml")
	p.want("failed", 1, "h2")
	if p.Code == 0 || p.recap["h3"] != nil {
		t.Errorf("exit code %d, hosts of the play: %v", p.Code, p.recap)
	}
	s.kolla("--limit", "!h2").wantOK()
}

// testModuleNamesReasons has the module fail by itself, with each host's reason, and
// not for what it was told to bear.
func testModuleNamesReasons(_ *testing.T, s *site) {
	s.write("module.yml", `
- name: The module by itself
  hosts: h1:h2
  gather_facts: false
  tasks:
    - name: Distribute
      daisy.kolla_mcast.mcast_distribute:
        fail_on_failed: "{{ strict }}"
      become: true
      run_once: true
`)
	p := s.play("module.yml", "-e", "strict=true")
	p.want("failed", 1, "h1")
	p.says("some hosts failed (1 local, 0 central, 1 failed)", "h2: refused")
	p = s.play("module.yml", "-e", "strict=false")
	p.wantOK()
	p.want("changed", 0, "h1")
}

// lineClock notes when lines were printed.
type lineClock struct {
	mu    sync.Mutex
	rest  string
	lines []string
	times []time.Time
}

// Write implements io.Writer.
func (c *lineClock) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest += string(p)
	for {
		line, rest, found := strings.Cut(c.rest, "\n")
		if !found {
			return len(p), nil
		}
		c.lines, c.times, c.rest = append(c.lines, line), append(c.times, time.Now()), rest
	}
}

// first is when the first line with the text at its beginning was printed.
func (c *lineClock) first(text string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.lines, func(l string) bool { return strings.HasPrefix(l, text) })
	if i < 0 {
		return time.Time{}
	}
	return c.times[i]
}

// TestAnsibleInterrupted: Ctrl-C at ansible-playbook ends the program too, and
// nothing of it is left on the hosts.
func TestAnsibleInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 2})
	s.put(bigBundle(t))
	p, err := s.deploy.Start(lab.Cmd{Args: s.command("deploy", []string{"-e", "kolla_mcast_max_rate=8M"}), Dir: siteDir,
		Env: []string{"ANSIBLE_CONFIG=" + siteDir + "/ansible.cfg"}})
	s.must(err)
	s.awaitTransfer("h1", 500<<10)
	s.must(p.SignalGroup(unix.SIGINT))
	r := p.WaitContext(within(t, time.Minute))
	if r.Code == 0 || r.Err != nil {
		t.Errorf("after Ctrl-C: %v", r)
	}
	s.wantNoStrays(s.hosts...)
	s.play("deploy").wantOK()
}

// TestAnsibleSenderLost: the sender's agent is killed in the middle. The role tries
// once more, and Kolla can pull.
func TestAnsibleSenderLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, fleetConfig{Targets: 2})
	b := bigBundle(t)
	s.put(b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.awaitTransfer("h1", 500<<10)
		for _, a := range s.deploy.FindProcesses("daisy-mcast", "agent") {
			if a.Name != "ssh" && a.Name != "sh" {
				s.must(s.deploy.KillPID(a.PID, unix.SIGKILL))
			}
		}
	}()
	p := s.play("deploy", "-e", "kolla_mcast_max_rate=16M")
	<-done
	p.wantOK()
	if n := strings.Count(p.Stdout, "daisy-mcast: [1/"); n != 2 {
		t.Errorf("the program ran %d times, want twice", n)
	}
	for _, h := range s.hosts {
		s.wantServed(h, b, "store")
	}
}
