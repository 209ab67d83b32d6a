package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A site is a fleet whose deploy server is an Ansible control node with the
// collection installed, as a Kolla operator has it.
type site struct {
	*fleet
	hosts []*lab.Host // of the inventory
}

const (
	siteDir    = "/root/site"
	etcKolla   = "/etc/kolla"
	globalsD   = etcKolla + "/globals.d"
	dropInFile = globalsD + "/zz-daisy-mcast.yml"
	playBudget = 3 * time.Minute
)

// kollaPull does what Kolla does with images: its pull asks the registry on every
// host, its bootstrap tasks run once, on another host, with the first host's image
// name, and its containers are started by that name.
const kollaPull = `
- name: Pull and start as Kolla does
  hosts: compute:control
  gather_facts: false
  vars:
    image: "{{ docker_registry }}/{{ docker_namespace }}/centos-source-%s:{{ openstack_tag | default(openstack_release) }}"
    engine: "{{ kolla_container_engine | default('docker') }}"
  tasks:
    - name: Pull
      ansible.builtin.command: "{{ engine }} pull -q {{ image | format(item) }}"
      loop: [keystone, mariadb, rabbitmq]
      changed_when: true
    - name: Bootstrap
      ansible.builtin.command: "{{ engine }} run --rm --network none {{ image | format('keystone') }}"
      run_once: true
      delegate_to: "{{ groups['control'][0] }}"
      changed_when: true
    - name: Start
      ansible.builtin.command: "{{ engine }} run --rm --network none {{ image | format('mariadb') }}"
      changed_when: true
      register: started
    - name: Look at what runs
      ansible.builtin.assert:
        that: "'from a bundle' in started.stdout"
`

var theTarball struct {
	once sync.Once
	path string
	err  error
}

// collection builds the collection's tarball, once.
func collection(t *testing.T) string {
	t.Helper()
	lab.Need(t, "ansible-playbook", "ansible-galaxy")
	theTarball.once.Do(func() {
		cmd := exec.Command("ansible-galaxy", "collection", "build", "--output-path", workshop.dir, ".")
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "ANSIBLE_LOCAL_TEMP="+workshop.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			theTarball.err = fmt.Errorf("building the collection: %w\n%s", err, out)
			return
		}
		found, err := filepath.Glob(filepath.Join(workshop.dir, "daisy-kolla_mcast-*.tar.gz"))
		if err != nil || len(found) != 1 {
			theTarball.err = errors.Join(err, fmt.Errorf("built %v", found))
			return
		}
		theTarball.path = found[0]
	})
	if theTarball.err != nil {
		t.Fatal(theTarball.err)
	}
	return theTarball.path
}

// newSite makes a site. The inventory has all targets: the first is control, the
// others are compute.
func newSite(t *testing.T, c fleetConfig) *site {
	t.Helper()
	tarball := collection(t)
	s := &site{fleet: newFleet(t, c)}
	s.hosts = s.targets
	s.must(s.deploy.CopyIn(tarball, "/root/collection.tar.gz", 0o644))
	s.must(s.deploy.Shell(t.Context(), `d=/usr/local/share/collections/ansible_collections/daisy/kolla_mcast
mkdir -p $d `+siteDir+" "+globalsD+` && tar xzf /root/collection.tar.gz -C $d`))
	s.write("ansible.cfg", `[defaults]
inventory = inventory
forks = 20
collections_path = /usr/local/share/collections
nocows = true
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = true
`)
	s.write("kolla-pull.yml", kollaPull)
	s.must(s.deploy.WriteFile(etcKolla+"/globals.yml", []byte("---\nkolla_base_distro: centos\n"), 0o644))
	s.inventory("ansible_user=root")
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	s.must(s.deploy.WriteFile(siteDir+"/"+name, []byte(text), 0o644))
}

// inventory writes Kolla's inventory, with variables for all hosts.
func (s *site) inventory(vars ...string) {
	s.t.Helper()
	var b strings.Builder
	for i, h := range s.hosts {
		switch i {
		case 0:
			b.WriteString("[control]\n")
		case 1:
			b.WriteString("[compute]\n")
		}
		fmt.Fprintf(&b, "%s ansible_host=%s\n", h.Name(), h.Addr())
	}
	if len(s.hosts) == 1 {
		b.WriteString("[compute]\n")
	}
	b.WriteString("[deployment]\nlocalhost ansible_connection=local\n[baremetal:children]\ncontrol\ncompute\n[all:vars]\n" + strings.Join(vars, "\n") + "\n")
	s.write("inventory", b.String())
}

// A play is a run of ansible-playbook that has ended.
type play struct {
	lab.Result
	t     *testing.T
	recap map[string]map[string]int // host to counter to value
}

// command is what runs a playbook of the collection, called by its action, or one
// of the site's files.
func (s *site) command(name string, args []string) []string {
	if !strings.HasSuffix(name, ".yml") {
		name = "daisy.kolla_mcast." + name
	}
	return append([]string{"ansible-playbook", name}, args...)
}

// play runs a playbook.
func (s *site) play(name string, args ...string) play {
	s.t.Helper()
	return s.runPlay(lab.Cmd{Args: s.command(name, args)})
}

func (s *site) runPlay(c lab.Cmd) play {
	s.t.Helper()
	if c.Dir == "" {
		c.Dir = siteDir
	}
	c.Env = append(c.Env, "ANSIBLE_CONFIG="+siteDir+"/ansible.cfg", "ANSIBLE_NOCOLOR=1", "PYTHONDONTWRITEBYTECODE=1")
	ctx, cancel := context.WithTimeout(s.t.Context(), playBudget)
	defer cancel()
	p := play{Result: s.deploy.RunCmd(ctx, c), t: s.t, recap: map[string]map[string]int{}}
	s.t.Logf("%v", p.Result)
	for _, m := range recapLine.FindAllStringSubmatch(p.Stdout, -1) {
		counters := map[string]int{}
		for _, pair := range strings.Fields(m[2]) {
			name, value, _ := strings.Cut(pair, "=")
			counters[name], _ = strconv.Atoi(value)
		}
		p.recap[m[1]] = counters
	}
	return p
}

var recapLine = regexp.MustCompile(`(?m)^(\S+) +: (ok=.*)$`)

// wantOK ends the test when the play failed anywhere.
func (p play) wantOK() {
	p.t.Helper()
	if p.Code != 0 {
		p.t.Fatalf("the play failed: %v", p.Result)
	}
}

// want checks a counter of the recap on hosts.
func (p play) want(counter string, value int, hosts ...string) {
	p.t.Helper()
	for _, h := range hosts {
		if p.recap[h] == nil {
			p.t.Errorf("%s is not in the recap", h)
		} else if got := p.recap[h][counter]; got != value {
			p.t.Errorf("%s: %s=%d, want %d", h, counter, got, value)
		}
	}
}

// says checks that the play printed a text.
func (p play) says(texts ...string) {
	p.t.Helper()
	flat := strings.Join(strings.Fields(p.Stdout+" "+p.Stderr), " ")
	for _, text := range texts {
		if !strings.Contains(flat, text) {
			p.t.Errorf("the play does not say %q", text)
		}
	}
}

// kolla runs Kolla's pull with globals.yml and all of globals.d, as Kolla passes
// them.
func (s *site) kolla(args ...string) play {
	s.t.Helper()
	script := `set -e; set -- "$@" -e @` + etcKolla + `/globals.yml
for f in ` + globalsD + `/*.yml; do set -- "$@" -e "@$f"; done
exec ansible-playbook kolla-pull.yml "$@"`
	return s.runPlay(lab.Cmd{Args: append([]string{"sh", "-c", script, "sh"}, args...)})
}

func (s *site) names() []string {
	var all []string
	for _, h := range s.hosts {
		all = append(all, h.Name())
	}
	return all
}

// as is the site, with a subtest to report to.
func (s *site) as(t *testing.T) *site {
	c := *s
	c.fleet = s.fleet.as(t)
	return &c
}

func (s *site) dropIn() string {
	text, err := s.deploy.ReadFile(dropInFile)
	s.must(err)
	return string(text)
}

// traces are the files of a host that distribute may have made.
func traces(t *testing.T, h *lab.Host) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, dir := range []string{"/etc", "/usr/local", "/var/lib", "/run"} {
		files, err := h.Walk(dir)
		if err != nil {
			t.Fatal(err)
		}
		for path := range files {
			engines := strings.HasPrefix(path, "/var/lib/docker/") || strings.HasPrefix(path, "/var/lib/containers/") ||
				strings.HasPrefix(path, "/var/lib/containerd/") || strings.HasPrefix(path, "/run/")
			if !engines || strings.Contains(path, "daisy") {
				all[path] = true
			}
		}
	}
	return all
}
