package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

// engineCA is the file in the base directory that has what engines were told to
// trust: who removes us finds it there, and then in their directories.
const engineCA = "engine-ca.pem"

// tellEngines has this host's engines trust the central registry.
func (a *agent) tellEngines(up registry.Upstream) error {
	a.mu.Lock()
	baseDir, listen := a.setup.BaseDir, a.setup.Listen
	a.mu.Unlock()
	if len(up.CA) > 0 {
		if err := atomicfile.WriteNew(filepath.Join(baseDir, engineCA), up.CA, 0o644); err != nil {
			a.note("who removes daisy-mcast will not find the central registry's certificate: %v", err)
		}
	}
	return trustCentral("/etc", up, listen)
}

// trustCentral lets the engines of this host pull from the central registry and
// from its own: Docker and Podman read these files at each pull, so neither is
// restarted (R12). Docker takes plain HTTP from loopback by itself; Podman has
// to be told. A registry without a CA of its own has a certificate that engines
// know. etc is /etc, but for tests.
func trustCentral(etc string, up registry.Upstream, local netip.AddrPort) error {
	u, err := url.Parse(up.URL)
	if err != nil {
		return fmt.Errorf("the central registry's address: %w", err)
	}
	if u.Host == "" {
		return fmt.Errorf("the central registry's address %q has no host", up.URL)
	}
	var errs []error
	trust := func(dir string) {
		if len(up.CA) > 0 {
			errs = append(errs, atomicfile.WriteNew(filepath.Join(dir, "certs.d", u.Host, "ca.crt"), up.CA, 0o644))
		}
	}
	if docker := filepath.Join(etc, "docker"); installed("dockerd", docker) {
		trust(docker)
	}
	if containers := filepath.Join(etc, "containers"); installed("podman", containers) {
		trust(containers)
		conf := fmt.Sprintf("# Written by daisy-mcast.\n[[registry]]\nlocation = %q\ninsecure = true\n", local)
		errs = append(errs, atomicfile.WriteNew(filepath.Join(containers, "registries.conf.d/50-daisy-mcast.conf"), []byte(conf), 0o644))
	}
	return errors.Join(errs...)
}

func installed(program, dir string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	_, err := os.Stat(dir)
	return err == nil
}
