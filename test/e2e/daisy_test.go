package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// daisyFiles writes a deploy.yml that names hosts in the order given, and a
// network.yml whose ranges are the targets' addresses in theirs.
func (f *fleet) daisyFiles(names []string, withIP bool) []string {
	f.t.Helper()
	deploy := "adapter: libvirt\nhosts:\n"
	for _, name := range names {
		deploy += fmt.Sprintf("  - name: '%s'\n    roles:\n      - 'COMPUTER'\n    template: 'x.xml'\n", name)
		if withIP {
			deploy += fmt.Sprintf("    ip: '%s'\n", f.Host(name).Addr())
		}
	}
	deploy += "disks:\n  daisy: 50\n  controller: 110\n  compute: 110\n  ceph: 110\n" +
		"daisy_passwd: '" + marker("daisy") + "'\ndaisy_ip: '" + f.deploy.Addr().String() + "'\n" +
		"daisy_gateway: '10.20.11.254'\nceph_disk_name: '/dev/sdb'\n"
	network := fmt.Sprintf(`network-config-metadata:
  title: 'lab'
  version: '0.1'
  created: 'Tue Apr 11 2017'
  comment: 'lab'
networks:
  - cidr: '10.20.11.0/24'
    gateway: '10.20.11.254'
    ip_ranges:
    - start: '%s'
      end: '%s'
    name: 'MANAGEMENT'
interfaces:
  - name: 'MANAGEMENT'
    interface: 'eth0'
internal_vip: '10.20.11.250'
public_vip: '10.20.11.250'
`, f.targets[0].Addr(), f.targets[len(f.targets)-1].Addr())
	f.must(f.deploy.WriteFile("/root/deploy.yml", []byte(deploy), 0o600))
	f.must(f.deploy.WriteFile("/root/network.yml", []byte(network), 0o644))
	return []string{"--dha", "/root/deploy.yml", "--network", "/root/network.yml"}
}

// TestR1DaisysFiles is the main job as the README shows it: BUNDLE is the only
// one in Daisy's place.
func TestR1DaisysFiles(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	b := smallBundle(t)
	f.put(b)
	r := f.distribute(f.daisyFiles([]string{"h1", "h2"}, true)...)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantNoSecrets(r, marker("daisy"))
}

// TestR3DerivedAddressesArePairedByProof: the ranges say which addresses, and
// the hosts' own names who has which.
func TestR3DerivedAddressesArePairedByProof(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	b := smallBundle(t)
	path := f.put(b)
	r := f.distribute(append(f.daisyFiles([]string{"h3", "h1", "h2"}, false), path)...)
	r.wantCode(exitLocal)
	for _, h := range f.targets {
		if got := r.host(h.Name()).Address; got != h.Addr().String() {
			t.Errorf("%s has the address %s in the report, want %s", h.Name(), got, h.Addr())
		}
	}
	f.wantLocal(r, b, f.targets...)
}

// TestFault60BadInputContactsNobody: file and line, exit 2, and no connection.
func TestFault60BadInputContactsNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	f.must(f.deploy.WriteFile(hostsFile, []byte("hosts:\n- name: h1\n  port: many\n"), 0o600))
	before, err := f.Host("h1").Received()
	f.must(err)
	r := f.distribute(f.put(smallBundle(t)))
	r.wantCode(exitUsage)
	if !strings.Contains(r.Stderr, hostsFile+":3") {
		t.Errorf("file and line are not named: %v", r.Result)
	}
	after, err := f.Host("h1").Received()
	f.must(err)
	if after-before > 500 { // the kernels' own neighbour and group messages
		t.Errorf("%d bytes reached the host", after-before)
	}
}

// TestFault66BadBundleIsRefused before a host is changed.
func TestFault66BadBundleIsRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	path := f.put(smallBundle(t))
	f.must(f.deploy.Shell(t.Context(), "truncate -s -100000 "+path))
	r := f.distribute(path)
	r.wantCode(exitUsage)
	files, err := f.Host("h1").Walk(baseDir)
	f.must(err)
	for path := range files {
		if strings.HasPrefix(path, storeDir) {
			t.Errorf("the host has %s", path)
		}
	}
	f.wantNoStrays(f.targets...)
}

// TestDryRunChangesNothing on any host.
func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 1})
	r := f.distribute("--dry-run", f.put(smallBundle(t)))
	if r.Code != 0 {
		t.Error(r.Result)
	}
	if found := f.Host("h1").FindProcesses("registry", "serve"); len(found) > 0 || f.Host("h1").Exists(storeDir+"/docker") {
		t.Errorf("a dry run left a registry or a store: %v", found)
	}
}
