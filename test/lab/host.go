package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A HostConfig describes a host. Only the name is needed.
type HostConfig struct {
	Name     string
	Networks []string // none means Management
	Engine   Engine   // none by default
	// DataDiskSize, "24m", puts a file system of that size under
	// /var/lib/daisy-mcast.
	DataDiskSize string
}

func (c HostConfig) withDefaults() HostConfig {
	if len(c.Networks) == 0 {
		c.Networks = []string{Management}
	}
	return c
}

// A Host is one machine of a lab. Its methods may be called from several
// goroutines.
type Host struct {
	lab     *Lab
	cfg     HostConfig
	number  int // from 1; the last byte of its addresses
	legs    map[string]*leg
	cgroups []hostCgroup
	leaf    *os.File // the directory of its version 2 cgroup, nil where there is none
	init    *exec.Cmd
	life    *os.File // writing end of the first process's lifeline
	ns      *namespaces

	running sync.WaitGroup // one for each process that Start started
	mu      sync.Mutex
	sshd    *Process // guarded by mu
	engine  *Process // guarded by mu
}

// A leg is a host's foot in a network.
type leg struct {
	device string
	addr   netip.Addr
}

// Name is the host's name, which is also its UTS host name.
func (h *Host) Name() string { return h.cfg.Name }

// Addr is the host's address on its first network.
func (h *Host) Addr() netip.Addr { return h.AddrOn(h.cfg.Networks[0]) }

// AddrOn is the host's address on a network that it is on.
func (h *Host) AddrOn(network string) netip.Addr {
	b := h.lab.Switch(network).prefix.Addr().As4()
	b[3] = byte(h.number)
	return netip.AddrFrom4(b)
}

// Device is the name of the host's interface on its first network.
func (h *Host) Device() string { return h.legs[h.cfg.Networks[0]].device }

func (h *Host) boot(ctx context.Context, all []hierarchy) error {
	dirs, err := makeCgroup(all, h.lab.mark, h.Name())
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		h.cgroups = append(h.cgroups, hostCgroup{hierarchy: all[i], Dir: dir})
	}
	if err := h.startInit(); err != nil {
		return err
	}
	if err := h.openCgroup(); err != nil {
		return err
	}
	for i, network := range h.cfg.Networks {
		if err := h.connect(network, fmt.Sprintf("eth%d", i)); err != nil {
			return err
		}
	}
	if err := h.furnish(ctx); err != nil {
		return err
	}
	return h.startServices(ctx)
}

// startInit starts the first process and waits until the place is ready.
func (h *Host) startInit() error {
	lifeline, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer lifeline.Close()
	h.life = life
	ready, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cfg, err := json.Marshal(initConfig{Name: h.Name(), Cgroups: h.cgroups})
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{initName}
	cmd.Env = []string{"PATH=" + hostPath}
	cmd.Stdin = strings.NewReader(string(cfg))
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{lifeline, readyW}
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID |
			unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid: true, // a Ctrl-C at the test's terminal is not for the hosts
	}
	err = cmd.Start()
	readyW.Close()
	if err != nil {
		return fmt.Errorf("starting the first process: %w", err)
	}
	h.init = cmd
	if said, _ := io.ReadAll(ready); string(said) != "ok" {
		return fmt.Errorf("preparing the place: %q", said)
	}
	h.ns, err = openNamespaces(cmd.Process.Pid)
	return err
}

func (h *Host) openCgroup() error {
	for _, c := range h.cgroups {
		if !c.isUnified() {
			continue
		}
		f, err := os.Open(filepath.Join(c.Dir, leafName))
		if err != nil {
			return err
		}
		h.leaf = f
	}
	return nil
}

func (h *Host) connect(network, device string) error {
	s := h.lab.Switch(network)
	if err := s.plug(h.Name(), h.init.Process.Pid, device); err != nil {
		return err
	}
	h.legs[network] = &leg{device: device, addr: h.AddrOn(network)}
	lines := fmt.Sprintf("link set lo up\nlink set %s up\naddr add %s/%d brd + dev %s\n",
		device, h.AddrOn(network), s.prefix.Bits(), device)
	if device == "eth0" {
		lines += fmt.Sprintf("route add default via %s\n", s.Gateway())
	}
	if err := execInNet(h.ns.files[0], lines, "ip", "-batch", "-"); err != nil {
		return err
	}
	return execInNet(h.ns.files[0], "", offloadsOff(device)...)
}

// furnish writes the few files that differ from the machine's.
func (h *Host) furnish(ctx context.Context) error {
	if h.cfg.DataDiskSize != "" {
		if err := h.MountDisk("/var/lib/daisy-mcast", h.cfg.DataDiskSize); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/hostname":      h.Name() + "\n",
		"/etc/resolv.conf":   "# the lab has no name server\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
	} {
		if err := h.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return h.furnishSSH(ctx)
}

func (h *Host) startServices(ctx context.Context) error {
	if err := h.StartSSH(ctx); err != nil {
		return err
	}
	if err := h.StartEngine(ctx); err != nil {
		return err
	}
	return h.startUnits(ctx)
}

// kill kills the host's first process, and with it all others, and waits until
// they are gone.
func (h *Host) kill() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.init == nil {
		return nil
	}
	h.thawQuietly() // the frozen cannot die in version 1
	h.init.Process.Kill()
	h.running.Wait() // the kernel lets the first process go when the others are reaped
	h.init.Wait()    // killed: that it says so is no error
	h.init = nil
	return nil
}

// release closes what holds the dead host's namespaces and cgroups.
func (h *Host) release() error {
	var errs []error
	if h.life != nil {
		errs = append(errs, h.life.Close())
		h.life = nil
	}
	if h.ns != nil {
		h.ns.close()
		h.ns = nil
	}
	if h.leaf != nil {
		errs = append(errs, h.leaf.Close())
		h.leaf = nil
	}
	return errors.Join(errs...)
}
