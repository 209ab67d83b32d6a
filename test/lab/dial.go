package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// dialTimeout bounds a connection attempt from within a host.
const dialTimeout = 5 * time.Second

// Dial connects from within the host. The connection may then be used anywhere.
// Address holds an IP address, not a name.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Within(func() (err error) {
		conn, err = net.DialTimeout(network, address, dialTimeout)
		return err
	})
	return conn, err
}

// HTTP returns a client whose connections come from within the host, and that
// knows no proxy.
func (h *Host) HTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			return h.Dial(network, address)
		},
	}}
}

// Sent is how many bytes have left the host by its first interface.
func (h *Host) Sent() (int64, error) { return h.counter("tx_bytes") }

// Received is how many bytes have arrived at the host's first interface.
func (h *Host) Received() (int64, error) { return h.counter("rx_bytes") }

// counter reads one of the kernel's statistics of the host's first interface.
func (h *Host) counter(name string) (int64, error) {
	var n int64
	err := h.Within(func() error {
		data, err := os.ReadFile(filepath.Join("/sys/class/net", h.Device(), "statistics", name))
		n = number64(strings.TrimSpace(string(data)))
		return err
	})
	return n, err
}

// AwaitMulticast waits until MulticastBytes of the host is so much.
func (h *Host) AwaitMulticast(ctx context.Context, bytes int64) error {
	for {
		if now, err := h.MulticastBytes(); err != nil || now >= bytes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for multicast on %s: %w", h.Name(), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// MulticastBytes returns how many bytes of groups have come to the host so far:
// InMcastOctets of /proc/net/netstat. Who waits for some reads it before they can come.
func (h *Host) MulticastBytes() (int64, error) {
	var n int64
	err := h.Within(func() error {
		data, err := os.ReadFile("/proc/1/net/netstat")
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(data)) {
			rest, ok := strings.CutPrefix(line, "IpExt:")
			switch {
			case !ok:
			case names == nil:
				names = strings.Fields(rest)
			default:
				if i := slices.Index(names, "InMcastOctets"); i >= 0 {
					n = number64(strings.Fields(rest)[i])
				}
			}
		}
		return nil
	})
	return n, err
}

// AwaitListener waits until a TCP address takes connections from within the
// host.
func (h *Host) AwaitListener(ctx context.Context, address string) error {
	for {
		conn, err := h.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s on %s: %w", address, h.Name(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
