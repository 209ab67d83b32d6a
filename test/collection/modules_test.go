package collection

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// docs lists the plugins by kind, from the files.
func docs(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for kind, dir := range map[string]string{"module": "modules", "inventory": "inventory", "filter": "filter"} {
		files, err := filepath.Glob(filepath.Join(root, "plugins", dir, "*.py"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", dir, files, err)
		}
		for _, f := range files {
			all[kind] = append(all[kind], strings.TrimSuffix(filepath.Base(f), ".py"))
		}
	}
	return all
}

func TestEveryPluginIsDocumented(t *testing.T) {
	t.Parallel()
	need(t, "ansible-doc")
	for kind, names := range docs(t) {
		for _, name := range names {
			r := must(t, call{args: []string{"ansible-doc", "-t", kind, "daisy.kolla_mcast." + name}})
			if !strings.Contains(r.out, "EXAMPLES:") {
				t.Errorf("%s %s has no examples:\n%s", kind, name, r.out)
			}
		}
	}
	r := must(t, call{args: []string{"ansible-doc", "-t", "role", "daisy.kolla_mcast.kolla_mcast"}})
	if !strings.Contains(r.out, "kolla_mcast_fallback") {
		t.Errorf("the role: %s", r.out)
	}
}

// Every variable of the role has a default and an entry in the argument specs, and
// none is in one of them alone.
func TestRoleVariablesAreDescribed(t *testing.T) {
	keys := func(file, prefix string) map[string]bool {
		text, err := os.ReadFile(filepath.Join(root, "roles/kolla_mcast", file))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, line := range strings.Split(string(text), "\n") {
			if name, _, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, prefix+"kolla_mcast_") {
				found[strings.TrimSpace(name)] = true
			}
		}
		return found
	}
	defaults, specs := keys("defaults/main.yml", ""), keys("meta/argument_specs.yml", "      ")
	if len(defaults) < 20 {
		t.Fatalf("only %d defaults were found", len(defaults))
	}
	for name := range defaults {
		if !specs[name] {
			t.Errorf("%s is not in argument_specs.yml", name)
		}
	}
	for name := range specs {
		if !defaults[name] {
			t.Errorf("%s has no default", name)
		}
	}
}

func TestPlaybooksAreWellFormed(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	files, err := filepath.Glob(filepath.Join(root, "playbooks", "*.yml"))
	if err != nil || len(files) != 6 {
		t.Fatalf("got %v, %v", files, err)
	}
	dir := write(t, map[string]string{"inventory": "[baremetal]\nh1\n"})
	args := []string{"ansible-playbook", "-i", "inventory", "--syntax-check"}
	for _, f := range files {
		args = append(args, "daisy.kolla_mcast."+strings.TrimSuffix(filepath.Base(f), ".yml"))
	}
	must(t, call{dir: dir, args: args})
	r := run(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "inventory", "daisy.kolla_mcast.deploy", "-e", "kolla_mcast_fallback=some"}})
	if r.code == 0 || !strings.Contains(r.out, "kolla_mcast_fallback must be one of") {
		t.Errorf("a wrong value is taken: %s", r.out)
	}
}

// The modules that need no other machine, and how they fail.
func TestModulesOnThisMachine(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	dir := write(t, map[string]string{"play.yml": `- hosts: localhost
  gather_facts: false
  module_defaults:
    group/daisy.kolla_mcast.all:
      binary_path: "` + place.program + `"
  tasks:
    - name: Read Daisy's files
      daisy.kolla_mcast.mcast_targets_info:
        deploy_file: ` + examples(t, "daisy-baremetal/deploy.yml") + `
        limit: [rack1-compute1]
      register: targets
    - name: Look for a registry
      daisy.kolla_mcast.registry_info:
        base_dir: "{{ playbook_dir }}/base"
        mode: process
      register: info
    - name: Miss the program
      daisy.kolla_mcast.registry_info:
        binary_path: /nowhere/daisy-mcast
      register: absent
    - name: Want another version
      daisy.kolla_mcast.registry_info:
        version: "99"
      register: other
      failed_when: "'and 99 is wanted' not in other.msg"
    - name: Refuse bad input
      daisy.kolla_mcast.mcast_targets_info:
        deploy_file: play.yml
      register: bad
      failed_when: "'play.yml:1' not in bad.msg"
    - name: Have a store
      ansible.builtin.file:
        path: "{{ playbook_dir }}/base/store"
        state: directory
        mode: "0755"
    - name: Say what a start would do
      daisy.kolla_mcast.registry: &registry
        base_dir: "{{ playbook_dir }}/base"
        mode: process
        listen: ["127.0.0.1:{{ port }}"]
      check_mode: true
      diff: true
      register: would
    - name: Start
      daisy.kolla_mcast.registry: *registry
      register: started
    - name: Start again
      daisy.kolla_mcast.registry: *registry
      register: kept
    - name: Say what another start would do
      daisy.kolla_mcast.registry: *registry
      check_mode: true
      register: would_not
    - name: Remove
      daisy.kolla_mcast.registry: &absent
        base_dir: "{{ playbook_dir }}/base"
        mode: process
        state: absent
      register: removed
    - name: Remove again
      daisy.kolla_mcast.registry: *absent
      register: gone
    - ansible.builtin.assert:
        that:
          - targets.count == 1 and targets.hosts[0].address == '10.88.1.21' and not targets.changed
          - info.installed and not info.running and not absent.installed
          - would.changed and would.diff.before.state == 'absent' and would.diff.after.state == 'started'
          - started.changed and started.registry.running
          - not kept.changed and not would_not.changed
          - removed.changed and not gone.changed
`})
	free := strconv.Itoa(int(port.Free(t)))
	r := run(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "port=" + free, "play.yml"}})
	if r.code != 0 {
		must(t, call{dir: dir, args: []string{place.program, "registry", "stop", "--mode", "process", "--base-dir", dir + "/base", "--purge"}})
		t.Fatalf("%s\n%s", r.out, r.err)
	}
}
