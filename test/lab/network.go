package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Switch is a bridge in a network namespace of its own, with a port for each
// host that is on the network. Its address is the hosts' gateway, though it
// routes nothing.
type Switch struct {
	name   string
	prefix netip.Prefix
	ns     *os.File // the only holder of the namespace
	id     string   // "net:[...]"
}

// commandTimeout bounds the small commands that set something up.
const commandTimeout = 20 * time.Second

func newSwitch(name string, prefix netip.Prefix, snooping bool) (*Switch, error) {
	s := &Switch{name: name, prefix: prefix}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		s.ns = f
		s.id, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("making network %s: %w", name, err)
	}
	bridge := "link add bridge type bridge mcast_snooping 0 forward_delay 0\n"
	if snooping {
		// Intervals in hundredths of a second, short so that a port that does
		// not join is closed within a test's patience.
		bridge = "link add bridge type bridge mcast_snooping 1 mcast_querier 1 forward_delay 0" +
			" mcast_query_interval 100 mcast_query_response_interval 50 mcast_membership_interval 300" +
			" mcast_startup_query_interval 50\n"
	}
	err = s.ip(bridge + fmt.Sprintf("addr add %s/%d dev bridge\nlink set bridge up\nlink set lo up\n",
		s.Gateway(), prefix.Bits()))
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	// A switch runs no iptables, which take a third of the time that a frame does to
	// eight hosts. Where the module is absent there is nothing to switch off.
	_ = s.Exec("", "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0", "net.bridge.bridge-nf-call-arptables=0")
	return s, nil
}

// Prefix is the network's addresses.
func (s *Switch) Prefix() netip.Prefix { return s.prefix }

// Gateway is the switch's own address, the last one of the network.
func (s *Switch) Gateway() netip.Addr {
	b := s.prefix.Addr().As4()
	b[3] = 254
	return netip.AddrFrom4(b)
}

// Exec runs a command of the machine in the switch's network namespace.
func (s *Switch) Exec(stdin string, args ...string) error {
	return execInNet(s.ns, stdin, args...)
}

// ip runs lines of ip(8) in one go.
func (s *Switch) ip(lines string) error { return s.Exec(lines, "ip", "-batch", "-") }

// Port is the name of the switch's end of a host's cable.
func (s *Switch) Port(host string) string { return portName(host) }

// LimitPort limits what the switch sends to a host, dropping what does not fit
// a queue of 256 kB: bed B. Rate is in tc's notation, "100mbit".
func (s *Switch) LimitPort(host, rate string) error {
	return s.Exec("", "tc", "qdisc", "replace", "dev", portName(host), "root",
		"tbf", "rate", rate, "burst", "64k", "limit", "256k")
}

// SetLink switches a host's cable on or off, at the switch.
func (s *Switch) SetLink(host string, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return s.ip("link set " + portName(host) + " " + state + "\n")
}

// plug lays a cable between the switch and the network namespace of pid, where
// its end is called device.
func (s *Switch) plug(host string, pid int, device string) error {
	port := portName(host)
	err := s.ip(fmt.Sprintf("link add %s type veth peer name %s netns %d\nlink set %s master bridge up\n",
		port, device, pid, port))
	if err != nil {
		return err
	}
	return s.Exec("", offloadsOff(port)...)
}

// offloadsOff is a command. With offloads on, one drop rule would take a whole
// train of packets.
func offloadsOff(device string) []string {
	return []string{"ethtool", "-K", device,
		"tso", "off", "gso", "off", "gro", "off", "tx-udp-segmentation", "off"}
}

func (s *Switch) close() error {
	if s.ns == nil {
		return nil
	}
	return s.ns.Close()
}

// portName fits the 15 bytes of an interface name.
func portName(host string) string {
	if len(host) > 12 {
		host = host[:12]
	}
	return "p-" + host
}

// execInNet runs a program of the machine in a network namespace.
func execInNet(ns *os.File, stdin string, args ...string) error {
	_, err := outputInNet(ns, stdin, args...)
	return err
}

// outputInNet is execInNet that returns what the program printed.
func outputInNet(ns *os.File, stdin string, args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	err = onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network: %w", err)
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		text, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(text)))
		}
		out = string(text)
		return nil
	})
	return out, err
}
