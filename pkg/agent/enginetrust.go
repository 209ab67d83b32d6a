package agent

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

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
			errs = append(errs, replaceFile(filepath.Join(dir, "certs.d", u.Host, "ca.crt"), up.CA))
		}
	}
	if docker := filepath.Join(etc, "docker"); installed("dockerd", docker) {
		trust(docker)
	}
	if containers := filepath.Join(etc, "containers"); installed("podman", containers) {
		trust(containers)
		conf := fmt.Sprintf("# Written by daisy-mcast.\n[[registry]]\nlocation = %q\ninsecure = true\n", local)
		errs = append(errs, replaceFile(filepath.Join(containers, "registries.conf.d/50-daisy-mcast.conf"), []byte(conf)))
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

// replaceFile puts content at path, whole or not at all. A file that has it is
// left alone.
func replaceFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".daisy-mcast-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, werr := tmp.Write(content)
	if err := errors.Join(werr, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
