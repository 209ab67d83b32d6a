package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Config describes a lab. The zero value of every field works.
type Config struct {
	// Networks are the bridges. None means one, called Management.
	Networks []string
	// Hosts are made at once, in no order.
	Hosts []HostConfig
	// Snooping makes the bridges forward multicast only to ports that joined,
	// with a querier on the bridge. Otherwise they flood it.
	Snooping bool
}

// Management is the network that a host is on when it names none.
const Management = "management"

// A Lab is a set of hosts and the networks that join them. Its methods may be
// called from several goroutines.
type Lab struct {
	mark     string   // name of its cgroups
	cgroups  []string // its directories, one a hierarchy
	switches map[string]*Switch
	hosts    []*Host // in the order of Config.Hosts
	closed   sync.Once
	closeErr error
}

// Open makes the lab that cfg describes: hosts with addresses, sshd and engines
// running, all of them in each other's known_hosts and /etc/hosts. Whoever
// opens it closes it.
func Open(ctx context.Context, cfg Config) (*Lab, error) {
	if err := Sweep(); err != nil {
		return nil, fmt.Errorf("sweeping what an earlier lab left: %w", err)
	}
	l, err := newLab(cfg)
	if err != nil {
		return nil, err
	}
	if err := l.boot(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the lab: %w", err), l.Close())
	}
	return l, nil
}

func newLab(cfg Config) (*Lab, error) {
	own, err := ownMark()
	if err != nil {
		return nil, err
	}
	l := &Lab{mark: own + "-" + serial(), switches: map[string]*Switch{}}
	networks := cfg.Networks
	if len(networks) == 0 {
		networks = []string{Management}
	}
	for i, name := range networks {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20, byte(11 + i), 0}), 24)
		s, err := newSwitch(name, prefix, cfg.Snooping)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.switches[name] = s
	}
	return l, nil
}

func (l *Lab) boot(ctx context.Context, cfg Config) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		l.cgroups = append(l.cgroups, filepath.Join(h.Own, l.mark))
	}
	for i, hc := range cfg.Hosts {
		h := &Host{lab: l, cfg: hc.withDefaults(), number: i + 1, legs: map[string]*leg{}}
		l.hosts = append(l.hosts, h)
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, h := range l.hosts {
		g.Go(func() error {
			if err := h.boot(gctx, all); err != nil {
				return fmt.Errorf("host %s: %w", h.Name(), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.introduce()
}

// Host returns the host called name. It panics when there is none: the test
// that asks is wrong.
func (l *Lab) Host(name string) *Host {
	i := slices.IndexFunc(l.hosts, func(h *Host) bool { return h.Name() == name })
	if i < 0 {
		panic("lab: no host " + name)
	}
	return l.hosts[i]
}

// Hosts returns all hosts, in the order of the configuration.
func (l *Lab) Hosts() []*Host { return slices.Clone(l.hosts) }

// Switch returns the bridge of a network. It panics when there is none.
func (l *Lab) Switch(network string) *Switch {
	s := l.switches[network]
	if s == nil {
		panic("lab: no network " + network)
	}
	return s
}

// Close ends all processes of the lab and removes what it made. It returns the
// same result however often it is called.
func (l *Lab) Close() error {
	l.closed.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

// cgroupPatience is how long ending processes may keep a cgroup busy.
const cgroupPatience = 10 * time.Second

func (l *Lab) close() error {
	var g errgroup.Group
	for _, h := range l.hosts {
		g.Go(h.kill)
	}
	errs := []error{g.Wait()}
	// While they are held open their names cannot become another's.
	if left := l.inhabitants(); len(left) > 0 {
		errs = append(errs, fmt.Errorf("still in the lab's namespaces: %s", strings.Join(left, "; ")))
	}
	for _, h := range l.hosts {
		errs = append(errs, h.release())
	}
	for _, s := range l.switches {
		errs = append(errs, s.close())
	}
	for _, dir := range l.cgroups {
		errs = append(errs, removeCgroup(dir, cgroupPatience))
	}
	return errors.Join(errs...)
}

// introduce tells every host the others' names and host keys.
func (l *Lab) introduce() error {
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	for _, h := range l.hosts {
		for _, network := range h.cfg.Networks {
			hosts += fmt.Sprintf("%s %s\n", h.AddrOn(network), h.Name())
		}
	}
	for _, h := range l.hosts {
		if err := h.WriteFile("/etc/hosts", []byte(hosts), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// serial tells apart the labs of one process.
func serial() string {
	var b [4]byte
	f, err := os.Open("/dev/urandom")
	if err == nil {
		f.Read(b[:])
		f.Close()
	}
	return fmt.Sprintf("%x", b)
}
