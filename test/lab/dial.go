package lab

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
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

// Received is how many bytes have arrived at the host's first interface.
func (h *Host) Received() (int64, error) {
	var n int64
	err := h.Within(func() error {
		path := filepath.Join("/sys/class/net", h.Device(), "statistics/rx_bytes")
		data, err := os.ReadFile(path)
		n = number64(strings.TrimSpace(string(data)))
		return err
	})
	return n, err
}

// AwaitReceived waits until the host has received so many bytes more than at
// the call.
func (h *Host) AwaitReceived(ctx context.Context, bytes int64) error {
	start, err := h.Received()
	for err == nil {
		var now int64
		if now, err = h.Received(); now-start >= bytes {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return err
}
