package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A bed is one sender and several receivers on a bridge, each in a network
// namespace of its own. The sender's link is shaped; its writes block and
// nothing is dropped there.
type bed struct {
	prefix string // of the namespaces' names
	dir    string // a tmpfs: no disk is measured
	hosts  int    // receivers
	shaped bool
	undo   []func() error
}

// newBed builds the network of a scene; call remove on it whatever happens.
func newBed(ctx context.Context, s scene) (*bed, error) {
	b := &bed{prefix: fmt.Sprintf("dmb%d", os.Getpid()), hosts: s.hosts, shaped: s.mbit > 0}
	if s.hosts == 0 {
		return b, nil
	}
	if err := b.makeDir(s.size * int64(s.hosts+1)); err != nil {
		return b, err
	}
	if err := b.bridge(ctx); err != nil {
		return b, err
	}
	for i := range s.hosts + 1 {
		if err := b.plug(ctx, i); err != nil {
			return b, err
		}
	}
	if !b.shaped {
		return b, nil
	}
	return b, b.in(ctx, host(0), "tc", "qdisc", "add", "dev", "eth0", "root", "tbf",
		"rate", fmt.Sprintf("%dmbit", s.mbit), "burst", "64k", "limit", "16m")
}

// host names a namespace: 0 is the sender.
func host(i int) string { return fmt.Sprintf("h%d", i) }

// addr is the address of a host.
func addr(i int) string { return fmt.Sprintf("10.99.0.%d", i+1) }

// makeDir mounts a tmpfs with room for some bytes.
func (b *bed) makeDir(room int64) error {
	dir, err := os.MkdirTemp("", "daisy-mcast-bench-*")
	if err != nil {
		return err
	}
	b.dir = dir
	b.undo = append(b.undo, func() error { return os.Remove(dir) })
	size := fmt.Sprintf("size=%d", room+room/8+64*mib)
	err = unix.Mount("tmpfs", dir, "tmpfs", 0, size+",huge=always")
	if errors.Is(err, unix.EINVAL) { // a kernel without huge pages
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, size)
	}
	if err != nil {
		return fmt.Errorf("mounting a tmpfs on %s: %w", dir, err)
	}
	b.undo = append(b.undo, func() error { return unix.Unmount(dir, 0) })
	return nil
}

// bridge makes the switch.
func (b *bed) bridge(ctx context.Context) error {
	if err := b.namespace(ctx, "sw"); err != nil {
		return err
	}
	if err := b.in(ctx, "sw", "ip", "link", "add", "br0", "type", "bridge"); err != nil {
		return err
	}
	// A switch runs no iptables; where the module is absent there is no file.
	_ = b.in(ctx, "sw", "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
	return b.in(ctx, "sw", "ip", "link", "set", "br0", "up")
}

func (b *bed) namespace(ctx context.Context, name string) error {
	full := b.prefix + name
	if err := run(ctx, "", "ip", "netns", "add", full); err != nil {
		return err
	}
	b.undo = append(b.undo, func() error {
		return run(context.Background(), "", "ip", "netns", "del", full)
	})
	return nil
}

// plug connects host i to the bridge. On shaped links offloads are off, so that
// what crosses them are frames, not trains.
func (b *bed) plug(ctx context.Context, i int) error {
	name, port := host(i), fmt.Sprintf("p%d", i)
	if err := b.namespace(ctx, name); err != nil {
		return err
	}
	steps := [][]string{
		{"sw", "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", b.prefix + name},
		{"sw", "ip", "link", "set", port, "master", "br0", "up"},
		{name, "ip", "link", "set", "lo", "up"},
		{name, "ip", "addr", "add", addr(i) + "/24", "dev", "eth0"},
		{name, "ip", "link", "set", "eth0", "up"},
	}
	if b.shaped {
		off := []string{"tso", "off", "gso", "off", "gro", "off", "tx-udp-segmentation", "off"}
		steps = append(steps,
			append([]string{"sw", "ethtool", "-K", port}, off...),
			append([]string{name, "ethtool", "-K", "eth0"}, off...))
	}
	for _, s := range steps {
		if err := b.in(ctx, s[0], s[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// lose makes the first hosts lose a share of all IPv4 packets that arrive, each
// for itself; 0 percent makes them lose none.
func (b *bed) lose(ctx context.Context, hosts int, percent float64) error {
	for i := 1; i <= hosts; i++ {
		rules := "flush ruleset\n"
		if percent > 0 {
			rules += fmt.Sprintf(`table netdev loss {
chain arriving {
type filter hook ingress device "eth0" priority 0;
meta protocol ip numgen random mod 10000 < %d drop
}
}
`, int(percent*100))
		}
		if err := run(ctx, rules, "ip", "netns", "exec", b.prefix+host(i), "nft", "-f", "-"); err != nil {
			return err
		}
	}
	return nil
}

// sentBytes is how much has left the sender's interface since it is there.
func (b *bed) sentBytes() (n int64, err error) {
	err = b.inside(host(0), func() error {
		table, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for l := range bytes.Lines(table) {
			name, counters, _ := strings.Cut(string(l), ":")
			const transmitted = 8 // the ninth of the columns
			if f := strings.Fields(counters); strings.TrimSpace(name) == "eth0" && len(f) > transmitted {
				n, err = strconv.ParseInt(f[transmitted], 10, 64)
				return err
			}
		}
		return errors.New("the sender has no eth0")
	})
	return n, err
}

// inside runs f on a thread that is in a namespace. What f starts is there too.
func (b *bed) inside(ns string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with this goroutine
		handle, err := os.Open(filepath.Join("/run/netns", b.prefix+ns))
		if err != nil {
			result <- err
			return
		}
		defer handle.Close()
		if err := unix.Setns(int(handle.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("entering namespace %s: %w", ns, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// in runs a command in a namespace.
func (b *bed) in(ctx context.Context, ns string, args ...string) error {
	return run(ctx, "", "ip", append([]string{"netns", "exec", b.prefix + ns}, args...)...)
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

// remove takes everything down, last first.
func (b *bed) remove() error {
	var errs []error
	for i := len(b.undo) - 1; i >= 0; i-- {
		errs = append(errs, b.undo[i]())
	}
	b.undo = nil
	return errors.Join(errs...)
}

func run(ctx context.Context, stdin, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
