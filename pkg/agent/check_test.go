package agent

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// Each thing that a host cannot do is a problem of its own, by real connections.
func TestR4Check(t *testing.T) {
	f := newFleet(t, 1)
	h := f.hosts[0]
	h.list(f.set, f.upstream)
	f.sender.must(message.CallListen, message.Listen{Carrier: f.carrier}, nil)
	good := message.Check{Address: hostAddress(0), Carrier: f.carrier, Upstream: f.upstream, SetID: f.set.ID, MissingBytes: 1}
	var res message.CheckResult
	h.must(message.CallCheck, good, &res)
	if res.LocalIP != hostAddress(0) || res.Sender != nil || res.Central != nil || res.Disk != nil || res.Platform != nil {
		t.Fatalf("got %+v", res)
	}
	bad := good
	bad.Carrier.Sender = netip.AddrPortFrom(f.carrier.Sender.Addr(), port.Free(t))
	bad.Upstream.CA = nil // now the certificate is a stranger's
	bad.MissingBytes = 1 << 60
	res = message.CheckResult{}
	h.must(message.CallCheck, bad, &res)
	for want, p := range map[string]*message.Problem{
		message.ReasonSender: res.Sender, message.ReasonCentral: res.Central, message.ReasonDisk: res.Disk,
	} {
		if p == nil || p.Reason != want || p.Text == "" {
			t.Errorf("got %+v, want %q", p, want)
		}
	}
	if !strings.Contains(res.Disk.Text, h.storeDir()) {
		t.Errorf("the disk's problem does not name the directory: %s", res.Disk.Text)
	}
}

// TestFault26TooFewInodes: seen before anything is sent, as a disk that is too small
// is (R16).
func TestFault26TooFewInodes(t *testing.T) {
	dir := t.TempDir()
	room, err := store.RoomIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	if room.Inodes == math.MaxInt64 { // this filesystem makes them as they are needed
		if p := checkDisk(dir, store.Room{Bytes: 1, Inodes: 1 << 60}); p != nil {
			t.Errorf("inodes are not counted here: %+v", p)
		}
		return
	}
	if p := checkDisk(dir, store.Room{Bytes: 1, Inodes: 1}); p != nil {
		t.Errorf("one file: %+v", p)
	}
	p := checkDisk(dir, store.Room{Bytes: 1, Inodes: room.Inodes})
	if p == nil || p.Reason != message.ReasonDisk || !strings.Contains(p.Text, dir) || !strings.Contains(p.Text, "inodes") {
		t.Errorf("as many as there are: %+v", p)
	}
	m := newNode(t, dir, senderAddress)
	set := m.imported(writeBundle(t, sample.Options{LayerSize: 1 << 10}))
	host := newNode(t, t.TempDir(), senderAddress)
	host.list(set, registry.Upstream{})
	var res message.CheckResult
	host.must(message.CallCheck, message.Check{SetID: set.ID, MissingBytes: 1, LinkInodes: 1 << 60}, &res)
	if res.Disk == nil || !strings.Contains(res.Disk.Text, "inodes") {
		t.Errorf("a host that lacks the set: %+v", res.Disk)
	}
}

func TestR5SetOfAnotherArchitecture(t *testing.T) {
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	m := newNode(t, t.TempDir(), senderAddress)
	set := m.imported(writeBundle(t, sample.Options{LayerSize: 1 << 10, Architecture: other}))
	var res message.CheckResult
	m.must(message.CallCheck, message.Check{SetID: set.ID}, &res)
	if res.Platform == nil || res.Platform.Reason != message.ReasonArchitecture || !strings.Contains(res.Platform.Text, other) {
		t.Errorf("got %+v", res.Platform)
	}
}

// An operator's own registry counts only when it has the set.
func TestR11ReachWantsTheSet(t *testing.T) {
	f := newFleet(t, 0)
	f.sender.must(message.CallReach, message.Reach{SetID: f.set.ID, Upstream: f.upstream}, nil)
	another := newNode(t, t.TempDir(), senderAddress)
	set := another.imported(writeBundle(t, sample.Options{LayerSize: 1 << 10, Seed: 7, Namespace: "lokolla"}))
	another.refuses(message.CallReach, message.Reach{SetID: set.ID, Upstream: f.upstream}, message.ReasonCentral, "must have the bundle's images")
	gone := f.upstream
	gone.URL = "https://" + netip.AddrPortFrom(f.carrier.Sender.Addr(), port.Free(t)).String()
	f.sender.refuses(message.CallReach, message.Reach{SetID: f.set.ID, Upstream: gone}, message.ReasonCentral, "refused")
}

// Engines trust the central registry by its address and port, without a restart.
func TestR12EngineTrust(t *testing.T) {
	etc := t.TempDir()
	for _, dir := range []string{"docker", "containers"} {
		if err := os.Mkdir(filepath.Join(etc, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	local := netip.MustParseAddrPort("127.0.0.1:4000")
	up := registry.Upstream{URL: "https://10.0.0.1:4000/prefix", CA: []byte("pem")}
	for range 2 {
		if err := trustCentral(etc, up, local); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"docker/certs.d/10.0.0.1:4000/ca.crt":              "pem",
		"containers/certs.d/10.0.0.1:4000/ca.crt":          "pem",
		"containers/registries.conf.d/50-daisy-mcast.conf": "127.0.0.1:4000",
	} {
		if got, err := os.ReadFile(filepath.Join(etc, file)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	if err := trustCentral(etc, registry.Upstream{URL: "https://registry.example"}, local); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(etc, "docker/certs.d/registry.example")); err == nil {
		t.Error("a registry that the system's authorities vouch for got an empty CA")
	}
	if err := trustCentral(etc, registry.Upstream{CA: []byte("pem")}, local); err == nil {
		t.Error("a registry without a host is trusted")
	}
	left, _ := filepath.Glob(filepath.Join(etc, "*/certs.d/*"))
	if slices.ContainsFunc(left, func(p string) bool { return !strings.HasSuffix(p, "10.0.0.1:4000") }) {
		t.Errorf("left: %q", left)
	}
}
