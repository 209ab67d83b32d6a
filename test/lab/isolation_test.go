package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

func TestR17HostsShareNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1", "h2")})
	h1, h2 := l.Host("h1"), l.Host("h2")
	for _, dir := range []string{"/var/lib", "/var/log", "/run", "/etc", "/etc/systemd/system",
		"/usr/local/bin", "/root", "/home", "/tmp", "/opt", "/dev/shm"} {
		path := filepath.Join(dir, "daisy-lab-isolation-test")
		if err := h1.WriteFile(path, []byte("h1"), 0o644); err != nil {
			t.Errorf("writing a private file: %v", err)
			continue
		}
		if h2.Exists(path) {
			t.Errorf("h2 sees %s of h1", path)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("the machine sees %s of h1", path)
		}
	}
	for _, dir := range []string{"/usr/bin", "/usr/lib", "/"} {
		err := h1.WriteFile(filepath.Join(dir, "daisy-lab-isolation-test"), nil, 0o644)
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("writing into the machine's %s: got %v, want %v", dir, err, unix.EROFS)
		}
	}
}

func TestR17HostsHaveTheirOwnKernelViews(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1", "h2")})
	ctx := within(t, 30*time.Second)
	h1, h2 := l.Host("h1"), l.Host("h2")

	if r := h1.Run(ctx, "hostname"); r.Stdout != "h1\n" {
		t.Errorf("host name: %v", r)
	}
	if r := h1.Run(ctx, "ip", "-br", "addr"); !strings.Contains(r.Stdout, h1.Addr().String()) ||
		strings.Contains(r.Stdout, h2.Addr().String()) {
		t.Errorf("addresses: %v", r)
	}
	if r := h1.Run(ctx, "ls", "/sys/class/net"); r.Stdout != "eth0\nlo\n" {
		t.Errorf("interfaces in /sys: %v", r)
	}
	if _, err := h1.Start(lab.Cmd{Args: []string{"sleep", "4321"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h1.AwaitProcess(ctx, "sleep", "4321"); err != nil {
		t.Error(err)
	}
	if r := h2.Run(ctx, "ps", "ax"); strings.Contains(r.Stdout, "4321") {
		t.Errorf("h2 sees a process of h1: %v", r)
	}
}

func TestOffloadsAreOffOnBothEnds(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("h1")})
	ctx := within(t, 30*time.Second)
	r := l.Host("h1").Run(ctx, "ethtool", "-k", l.Host("h1").Device())
	for _, want := range []string{"tcp-segmentation-offload: off", "generic-segmentation-offload: off",
		"generic-receive-offload: off", "tx-udp-segmentation: off"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the host's end does not say %q: %v", want, r)
		}
	}
	sw := l.Switch(lab.Management)
	if err := sw.Exec("", "sh", "-ec", "ethtool -k "+sw.Port("h1")+" | grep -q 'generic-segmentation-offload: off'"); err != nil {
		t.Error(err)
	}
}
