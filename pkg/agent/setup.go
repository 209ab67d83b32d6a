package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
)

// callSetup says who this host is. It changes nothing here: a bundle may still turn
// out to be unusable.
func (a *agent) callSetup(_ context.Context, req message.Setup) (message.Facts, error) {
	if !filepath.IsAbs(req.BaseDir) {
		return message.Facts{}, fmt.Errorf("base directory %q is not absolute", req.BaseDir)
	}
	if req.StoreDir == "" {
		req.StoreDir = filepath.Join(req.BaseDir, "store")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.setup = req
	return facts(req.BaseDir)
}

func facts(baseDir string) (message.Facts, error) {
	f := message.Facts{Architecture: runtime.GOARCH, Machine: machine(baseDir)}
	var err error
	if f.Hostname, err = os.Hostname(); err != nil {
		return f, fmt.Errorf("asking for the host's name: %w", err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return f, fmt.Errorf("listing interfaces: %w", err)
	}
	for _, ifi := range interfaces {
		if len(ifi.HardwareAddr) > 0 {
			f.MACs = append(f.MACs, ifi.HardwareAddr.String())
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, addr := range addrs {
			if p, err := netip.ParsePrefix(addr.String()); err == nil && p.Addr().Is4() {
				f.Addresses = append(f.Addresses, p.Addr())
			}
		}
	}
	return f, nil
}

// machine names this boot of this kernel, as this network namespace sees it, and
// the directory. Two agents with the same one would share a store.
func machine(baseDir string) string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	netns, _ := os.Readlink("/proc/self/ns/net")
	mntns, _ := os.Readlink("/proc/self/ns/mnt")
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s", boot, netns, mntns, baseDir))
	return hex.EncodeToString(sum[:16])
}
