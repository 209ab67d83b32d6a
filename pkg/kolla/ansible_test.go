package kolla

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const inventoryINI = `controller01 ansible_connection=local
computer02 ansible_connection=local
computer03 ansible_connection=local kolla_mcast_registry=registry.example:5000
`

// TestR13AnsibleReadsTheDropIn has Ansible itself evaluate each drop-in on
// three hosts, passed with -e @file as Kolla passes it.
func TestR13AnsibleReadsTheDropIn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Ansible")
	}
	ansible, err := exec.LookPath("ansible")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ansible is not on PATH: install ansible-core")
		}
		t.Skip("ansible is not on PATH")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, tt := range dropIns {
		wg.Go(func() {
			got, err := evaluate(t.TempDir(), ansible, tt.dropIn)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				return
			}
			for i, host := range ansibleHosts {
				want := host + "=" + tt.registry[i] + "/" + tt.dropIn.Namespace + "/nova:" + tt.dropIn.Tag
				if !strings.Contains(got, want) {
					t.Errorf("%s: %s missing in:\n%s", tt.name, want, got)
				}
			}
		})
	}
}

// evaluate returns what Ansible prints of an image's name on each host.
func evaluate(dir, ansible string, d DropIn) (string, error) {
	d, err := d.normal()
	if err != nil {
		return "", err
	}
	content, err := Render(d)
	if err != nil {
		return "", err
	}
	hosts, vars := filepath.Join(dir, "hosts"), filepath.Join(dir, FileName)
	if err := os.WriteFile(hosts, []byte(inventoryINI), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(vars, content, 0o600); err != nil {
		return "", err
	}
	image := "{{ docker_registry }}/{{ docker_namespace }}/nova:{{ " + d.ReleaseVariable + " }}"
	cmd := exec.Command(ansible, "all", "-i", hosts, "-e", "@"+vars, "-m", "debug",
		"-a", "msg={{ inventory_hostname }}="+image)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCAL_TEMP="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
