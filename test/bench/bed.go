package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// A bed is one sender and several receivers on a bridge, each in a network
// namespace of its own. The sender's link is shaped; its writes block and
// nothing is dropped there.
type bed struct {
	prefix    string // of the namespaces' names
	dir       string // a tmpfs: no disk is measured
	receivers int
	undo      []func() error // last first
}

// newBed builds the network; call remove on it whatever happens.
func newBed(receivers int, rate string) (*bed, error) {
	b := &bed{prefix: fmt.Sprintf("dmb%d", os.Getpid()), receivers: receivers}
	if err := b.makeDir(); err != nil {
		return b, err
	}
	if err := b.namespace("sw"); err != nil {
		return b, err
	}
	if err := b.in("sw", "ip", "link", "add", "br0", "type", "bridge"); err != nil {
		return b, err
	}
	if err := b.in("sw", "ip", "link", "set", "br0", "up"); err != nil {
		return b, err
	}
	// A switch runs no iptables; where the module is absent there is no file.
	_ = b.in("sw", "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
	for i := range receivers + 1 {
		if err := b.host(i); err != nil {
			return b, err
		}
	}
	return b, b.in(host(0), "tc", "qdisc", "add", "dev", "eth0", "root", "tbf",
		"rate", rate, "burst", "64k", "latency", "50ms")
}

// host names a namespace: 0 is the sender.
func host(i int) string { return fmt.Sprintf("h%d", i) }

// addr is the address of a host.
func addr(i int) string { return fmt.Sprintf("10.99.0.%d", i+1) }

func (b *bed) makeDir() error {
	dir, err := os.MkdirTemp("", "daisy-mcast-bench-*")
	if err != nil {
		return err
	}
	b.dir = dir
	b.undo = append(b.undo, func() error { return os.Remove(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4g"); err != nil {
		return fmt.Errorf("mounting a tmpfs on %s: %w", dir, err)
	}
	b.undo = append(b.undo, func() error { return syscall.Unmount(dir, 0) })
	return nil
}

func (b *bed) namespace(name string) error {
	full := b.prefix + name
	if err := run("ip", "netns", "add", full); err != nil {
		return err
	}
	b.undo = append(b.undo, func() error { return run("ip", "netns", "del", full) })
	return nil
}

// host plugs host i into the bridge.
func (b *bed) host(i int) error {
	name, port := host(i), fmt.Sprintf("p%d", i)
	if err := b.namespace(name); err != nil {
		return err
	}
	steps := [][]string{
		{"sw", "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", b.prefix + name},
		{"sw", "ip", "link", "set", port, "master", "br0", "up"},
		{name, "ip", "link", "set", "lo", "up"},
		{name, "ip", "addr", "add", addr(i) + "/24", "dev", "eth0"},
		{name, "ip", "link", "set", "eth0", "up"},
		append([]string{"sw", "ethtool", "-K", port}, offloads()...),
		append([]string{name, "ethtool", "-K", "eth0"}, offloads()...),
	}
	for _, s := range steps {
		if err := b.in(s[0], s[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// offloads are off, so that what crosses the link are frames, not trains.
func offloads() []string {
	return []string{"tso", "off", "gso", "off", "gro", "off", "tx-udp-segmentation", "off"}
}

// in runs a command in a namespace.
func (b *bed) in(ns string, args ...string) error {
	return run("ip", append([]string{"netns", "exec", b.prefix + ns}, args...)...)
}

// command is a program that will run in a namespace; it replaces `ip`, so its
// resource usage is its own.
func (b *bed) command(ns string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", b.prefix + ns}, args...)...)
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

// remove takes everything down.
func (b *bed) remove() error {
	var errs []error
	for i := len(b.undo) - 1; i >= 0; i-- {
		errs = append(errs, b.undo[i]())
	}
	b.undo = nil
	return errors.Join(errs...)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
