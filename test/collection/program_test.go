package collection

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// prepare is a play that only gets the program to where it belongs.
const prepare = `- hosts: localhost
  gather_facts: false
  tasks:
    - name: Prepare
      ansible.builtin.include_role:
        name: daisy.kolla_mcast.kolla_mcast
        tasks_from: prepare
      vars:
        kolla_mcast_globals_dir: ""
        kolla_mcast_control_become: false
        kolla_mcast_program_path: "{{ playbook_dir }}/daisy-mcast"
    - name: Use it
      daisy.kolla_mcast.mcast_targets_info:
        binary_path: "{{ playbook_dir }}/daisy-mcast"
        deploy_file: "{{ deploy_file }}"
`

// The program comes from a URL with its checksum, or from a checkout by Go; it is
// not fetched or built into its place twice, and nothing else is taken.
func TestRoleGetsTheProgram(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook", "go")
	program, err := os.ReadFile(place.program)
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256(program))
	for name, vars := range map[string]string{
		"url":    "kolla_mcast_program_url=file://" + place.program + " kolla_mcast_program_checksum=" + sum,
		"source": "kolla_mcast_program_source=" + source,
	} {
		dir := write(t, map[string]string{"play.yml": prepare})
		args := []string{"ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml", "-e", "deploy_file=" + examples(t, "daisy-baremetal/deploy.yml"), "-e", vars}
		for _, want := range []string{"changed=1", "changed=0"} {
			r := must(t, call{dir: dir, args: args})
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: want %s:\n%s", name, want, r.out)
			}
		}
	}
	dir := write(t, map[string]string{"play.yml": prepare})
	r := run(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml", "-e",
		"kolla_mcast_program_url=file://" + place.program + " kolla_mcast_program_checksum=sha256:" + strings.Repeat("0", 64)}})
	if _, err := os.Stat(dir + "/daisy-mcast"); r.code == 0 || err == nil {
		t.Errorf("a program with another checksum was taken: %s", r.out)
	}
}

// A program from before the collection is refused by its version.
func TestRoleChecksTheVersion(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	dir := write(t, map[string]string{"inventory": "[baremetal]\nh1\n", "bundle.tgz": "x"})
	r := run(t, call{dir: dir, args: []string{"ansible-playbook", "-i", "inventory", "daisy.kolla_mcast.pull",
		"-e", "kolla_mcast_program=" + place.program + " kolla_mcast_program_version=99. kolla_mcast_bundle=" + dir + "/bundle.tgz"}})
	if r.code == 0 || !strings.Contains(r.out, "and 99. is wanted") {
		t.Errorf("exit code %d: %s", r.code, r.out)
	}
}

// The samples are well formed, as they lie in the checkout.
func TestSampleSites(t *testing.T) {
	t.Parallel()
	need(t, "ansible-playbook")
	for _, dir := range []string{"ansible", "examples/daisy-to-kolla"} {
		path, err := filepath.Abs(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(path, "*.yml"))
		if err != nil {
			t.Fatal(err)
		}
		var plays []string
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\n  hosts:") && strings.Contains(string(text), "roles:\n    - role") {
				plays = append(plays, filepath.Base(f))
			}
		}
		if len(plays) == 0 {
			t.Fatalf("no playbook in %s", dir)
		}
		env := []string{"ANSIBLE_CONFIG=" + path + "/ansible.cfg"}
		must(t, call{dir: path, env: env, args: append([]string{"ansible-playbook", "--syntax-check"}, plays...)})
		r := must(t, call{dir: path, env: env, args: []string{"ansible", "baremetal", "--list-hosts"}})
		if !strings.Contains(r.out, "hosts (3):") {
			t.Errorf("%s: %s", dir, r.out)
		}
	}
}
