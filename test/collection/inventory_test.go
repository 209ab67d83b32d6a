package collection

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// multinode is an excerpt of the shape that Kolla's own inventory has: sample
// hosts in the groups at the top, and services made of them.
const multinode = `[control]
control01
control02
[network]
network01
[compute]
compute01
[monitoring]
monitoring01
[storage]
storage01
[deployment]
localhost ansible_connection=local
[baremetal:children]
control
network
compute
storage
monitoring
[keystone:children]
control
[nova-compute:children]
compute
[neutron:children]
network
[neutron-server:children]
control
[neutron-dhcp-agent:children]
neutron
`

// list runs ansible-inventory, which must have understood all that it was given.
func list(t *testing.T, source string, more ...string) map[string]any {
	t.Helper()
	env := append([]string{"ANSIBLE_INVENTORY_ENABLED=daisy.kolla_mcast.daisy,ini", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true"}, more...)
	r := must(t, call{env: env, args: []string{"ansible-inventory", "-i", source, "--list"}})
	var all map[string]any
	if err := json.Unmarshal([]byte(r.out), &all); err != nil {
		t.Fatalf("%v\n%s", err, r.out)
	}
	return all
}

func examples(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// hostsOf lists a group's hosts, as Ansible sees them.
func hostsOf(t *testing.T, source, group string) string {
	t.Helper()
	r := must(t, call{args: []string{"ansible", group, "-i", source, "--list-hosts"},
		env: []string{"ANSIBLE_INVENTORY_ENABLED=daisy.kolla_mcast.daisy,script,ini"}})
	_, hosts, _ := strings.Cut(r.out, ":\n")
	return strings.Join(strings.Fields(hosts), " ")
}

// The plugin gives what the program's own inventory does, by either way in.
func TestInventoryIsTheProgramsOwn(t *testing.T) {
	t.Parallel()
	need(t, "ansible-inventory")
	deploy := examples(t, "daisy-baremetal/deploy.yml")
	script := write(t, map[string]string{"daisy.sh": "#!/bin/sh\nDAISY_MCAST_DHA=" + deploy + " exec daisy-mcast inventory \"$@\" 2>/dev/null\n"})
	if err := os.Chmod(script+"/daisy.sh", 0o755); err != nil {
		t.Fatal(err)
	}
	want := list(t, script+"/daisy.sh", "ANSIBLE_INVENTORY_ENABLED=script")
	own := write(t, map[string]string{"daisy.yml": "plugin: daisy.kolla_mcast.daisy\ndeploy_file: " + deploy + "\n"})
	for _, source := range []string{own + "/daisy.yml", deploy} {
		if got := list(t, source); !reflect.DeepEqual(got["_meta"], want["_meta"]) {
			t.Errorf("%s: host variables\n%v\nwant\n%v", source, got["_meta"], want["_meta"])
		}
		for _, group := range []string{"control", "network", "compute", "storage", "monitoring", "deployment", "baremetal"} {
			if got, want := hostsOf(t, source, group), hostsOf(t, script+"/daisy.sh", group); got != want {
				t.Errorf("%s: %s is %q, want %q", source, group, got, want)
			}
		}
	}
	text, err := json.Marshal(want)
	if err != nil || strings.Contains(string(text), "password") {
		t.Errorf("passwords are shown: %v", err)
	}
}

// TestInventoryHasKollasGroups has both ways
// to all groups of a Kolla release: by the plugin, and beside Kolla's own file.
func TestInventoryHasKollasGroups(t *testing.T) {
	t.Parallel()
	need(t, "ansible-inventory")
	deploy := examples(t, "daisy-baremetal/deploy.yml")
	emptied := ""
	for _, line := range strings.Split(multinode, "\n") {
		isSample := line != "" && !strings.HasPrefix(line, "[") && strings.Contains(line, "0") || strings.HasPrefix(line, "localhost")
		if !isSample {
			emptied += line + "\n"
		}
	}
	dir := write(t, map[string]string{
		"by-plugin/daisy.yml": "plugin: daisy.kolla_mcast.daisy\ndeploy_file: " + deploy + "\nkolla_multinode: ../multinode\n",
		"multinode":           multinode,
		"beside/10-multinode": emptied,
		"beside/daisy.yml":    "plugin: daisy.kolla_mcast.daisy\ndeploy_file: " + deploy + "\n",
	})
	for _, source := range []string{dir + "/by-plugin/daisy.yml", dir + "/beside"} {
		for group, want := range map[string]string{
			"keystone":           "rack1-control1 rack1-control2",
			"nova-compute":       "rack1-compute1 rack1-compute2",
			"neutron-dhcp-agent": "rack1-control1 rack1-control2",
			"baremetal":          "rack1-control1 rack1-control2 rack1-compute1 rack1-compute2",
		} {
			if got := hostsOf(t, source, group); got != want {
				t.Errorf("%s: %s is %q, want %q", source, group, got, want)
			}
		}
	}
}

// Kolla's own group variables must not win over Daisy's networks.
func TestInventoryWinsOverGroupVariables(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	dir := write(t, map[string]string{
		"daisy.yml":          "plugin: daisy.kolla_mcast.daisy\ndeploy_file: " + examples(t, "daisy-baremetal/deploy.yml") + "\n",
		"group_vars/all.yml": "network_interface: eth0\nneutron_external_interface: eth1\nnode_custom: kept\n",
		"show.yml": `- hosts: rack1-compute1
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ network_interface }} {{ neutron_external_interface }} {{ node_custom }}"
`,
	})
	r := must(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "daisy.yml", "show.yml"},
		env: []string{"ANSIBLE_INVENTORY_ENABLED=daisy.kolla_mcast.daisy"}})
	if !strings.Contains(r.out, "bond0.881 ens2f1 kept") {
		t.Errorf("got %s", r.out)
	}
}

// R3: an address that nothing proves is refused, until it is given.
func TestR3InventoryRefusesUnprovenAddresses(t *testing.T) {
	t.Parallel()
	need(t, "ansible-inventory")
	deploy := examples(t, "daisy-virtual/deploy.yml")
	env := []string{"ANSIBLE_INVENTORY_ENABLED=daisy.kolla_mcast.daisy", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true"}
	r := run(t, call{env: env, args: []string{"ansible-inventory", "-i", deploy, "--list"}})
	if said := strings.Join(strings.Fields(r.out+r.err), " "); r.code == 0 || !strings.Contains(said, "unproven: control1") {
		t.Errorf("exit code %d: %s", r.code, said)
	}
	dir := write(t, map[string]string{"my.daisy.yml": `plugin: daisy.kolla_mcast.daisy
deploy_file: ` + deploy + `
addresses: {control1: 10.77.0.3, control2: 10.77.0.4, compute1: 10.77.0.5, compute2: 10.77.0.6}
keyed_groups:
  - {key: daisy_roles, prefix: daisy}
compose:
  dashed: ansible_host | replace('.', '-')
groups:
  first: ansible_host == '10.77.0.3'
`})
	all := list(t, dir+"/my.daisy.yml")
	vars := all["_meta"].(map[string]any)["hostvars"].(map[string]any)["control1"].(map[string]any)
	if vars["ansible_host"] != "10.77.0.3" || vars["dashed"] != "10-77-0-3" {
		t.Errorf("got %v", vars)
	}
	if got := hostsOf(t, dir+"/my.daisy.yml", "daisy_COMPUTER"); got != "compute1 compute2" {
		t.Errorf("daisy_COMPUTER is %q", got)
	}
	if got := hostsOf(t, dir+"/my.daisy.yml", "first"); got != "control1" {
		t.Errorf("first is %q", got)
	}
}

func TestInventoryHasPasswordsWhenAskedFor(t *testing.T) {
	t.Parallel()
	need(t, "ansible-inventory")
	files := map[string]string{
		"deploy.yml": "hosts:\n- {name: p, roles: [COMPUTER], ip: 10.0.0.2, password: s3cret}\n" +
			"disks: {daisy: 50}\ndaisy_passwd: 'x'\ndaisy_gateway: 10.0.0.1\n",
		"a.daisy.yml": "plugin: daisy.kolla_mcast.daisy\n",
		"b.daisy.yml": "plugin: daisy.kolla_mcast.daisy\nexpose_passwords: true\n",
	}
	dir := write(t, files)
	for source, want := range map[string]bool{"a.daisy.yml": false, "b.daisy.yml": true} {
		text, err := json.Marshal(list(t, filepath.Join(dir, source)))
		if err != nil || strings.Contains(string(text), "s3cret") != want {
			t.Errorf("%s: %s, %v", source, text, err)
		}
	}
}
