package lab

import (
	"context"
	"fmt"
	"strings"
)

// The faults here are rules of nft(8) in the host's own network namespace, each
// in a table of its own, so that Heal can take one away.

// Lose drops a share of the UDP datagrams that arrive at the host.
func (h *Host) Lose(percent float64) error {
	return h.ingress("loss", fmt.Sprintf("meta l4proto udp numgen random mod 10000 < %d drop", int(percent*100)))
}

// FilterMulticast drops the multicast datagrams that arrive at the host, and
// nothing else: what a switch without a route for the group does.
func (h *Host) FilterMulticast() error {
	return h.ingress("multicast", "ip daddr 224.0.0.0/4 meta l4proto udp drop")
}

// FilterUDP drops every UDP datagram that arrives at the host.
func (h *Host) FilterUDP() error { return h.ingress("udp", "meta l4proto udp drop") }

// FilterIGMP keeps the host's joins from reaching the switch. It matters only
// in a lab with Snooping.
func (h *Host) FilterIGMP() error {
	return h.nft("igmp", "type filter hook output priority 0;", "ip protocol igmp drop", "inet")
}

// BlockTCP drops what arrives for a TCP port, as a firewall does.
func (h *Host) BlockTCP(port int) error {
	return h.nft(fmt.Sprintf("tcp%d", port), "type filter hook input priority 0;",
		fmt.Sprintf("iif != \"lo\" tcp dport %d drop", port), "inet")
}

// BlockTCPTo drops what the host sends to a TCP port elsewhere.
func (h *Host) BlockTCPTo(port int) error {
	return h.nft(fmt.Sprintf("to%d", port), "type filter hook output priority 0;",
		fmt.Sprintf("oif != \"lo\" tcp dport %d drop", port), "inet")
}

// Heal takes away all faults of the network that were put in on this host.
func (h *Host) Heal() error {
	return execInNet(h.ns.files[0], "flush ruleset\n", "nft", "-f", "-")
}

// ingress puts a rule on what arrives at all of the host's interfaces.
func (h *Host) ingress(name, rule string) error {
	var devices []string
	for _, l := range h.legs {
		devices = append(devices, `"`+l.device+`"`)
	}
	for i, d := range devices {
		hook := fmt.Sprintf("type filter hook ingress device %s priority 0;", d)
		if err := h.nft(fmt.Sprintf("%s%d", name, i), hook, rule, "netdev"); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) nft(name, hook, rule, family string) error {
	table := family + " lab_" + name
	text := fmt.Sprintf("table %s {}\ndelete table %s\ntable %s {\nchain c {\n%s\n%s\n}\n}\n",
		table, table, table, hook, rule)
	if err := execInNet(h.ns.files[0], text, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("on %s: %w", h.Name(), err)
	}
	return nil
}

// LimitRate shapes what the host sends; its writes block, nothing is dropped:
// bed A. Rate is in tc's notation, "100mbit".
func (h *Host) LimitRate(rate string) error {
	return execInNet(h.ns.files[0], "", "tc", "qdisc", "replace", "dev", h.Device(), "root",
		"tbf", "rate", rate, "burst", "64k", "limit", "16m")
}

// Occupy lets another program listen on a TCP address, "127.0.0.1:4000", and never
// leave it. The caller stops the process, or the lab's end does.
func (h *Host) Occupy(ctx context.Context, address string) (*Process, error) {
	host, port, _ := strings.Cut(address, ":")
	return h.listen(ctx, address, "/usr/bin/python3", "-m", "http.server", "--directory", "/run", "--bind", host, port)
}

// Iperf lets iperf3 listen on a TCP address, for a client of its kind. It leaves the
// address for a moment after each connection.
func (h *Host) Iperf(ctx context.Context, address string) (*Process, error) {
	host, port, _ := strings.Cut(address, ":")
	return h.listen(ctx, address, "iperf3", "--server", "--bind", host, "--port", port)
}

// listen starts a program and waits until it listens.
func (h *Host) listen(ctx context.Context, address string, args ...string) (*Process, error) {
	p, err := h.Start(Cmd{Args: args})
	if err != nil {
		return nil, err
	}
	return p, h.await(ctx, p, func() error { return h.dialHere("tcp", address) })
}

// SetProxy makes every login and service of the host believe in an HTTP proxy,
// as /etc/environment on a real host does.
func (h *Host) SetProxy(url string) error {
	var text strings.Builder
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		fmt.Fprintf(&text, "%s=%s\n", name, url)
	}
	return h.WriteFile("/etc/environment", []byte(text.String()), 0o644)
}
