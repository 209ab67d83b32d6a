package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A fleet is a lab with a deploy server, on which the program is installed and
// from which root may log in to the targets.
type fleet struct {
	*lab.Lab
	t        *testing.T
	deploy   *lab.Host
	targets  []*lab.Host
	protocol string // of the runs; the program's default if empty
}

// carriers are the protocols of distribute and the port of each, TCP and UDP, from
// the design.
var carriers = []struct {
	protocol string
	port     int
}{{"native", 18384}, {"jasmine", 18383}}

// eachCarrier runs a test over each of the protocols, on fleets of its own.
func eachCarrier(t *testing.T, c fleetConfig, test func(f *fleet, port int)) {
	t.Helper()
	t.Parallel()
	for _, carrier := range carriers {
		t.Run(carrier.protocol, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, c)
			f.protocol = carrier.protocol
			test(f, carrier.port)
		})
	}
}

// A fleetConfig says what a fleet is of. The zero value: three targets without
// an engine.
type fleetConfig struct {
	Targets  int // default 3; called h1, h2, ...
	Engine   lab.Engine
	Engines  map[string]lab.Engine // by host; wins over Engine
	Disks    map[string]string     // size of /var/lib/daisy-mcast, by host
	Snooping bool
	Networks map[string][]string // by host
	Extra    []lab.HostConfig    // hosts that are no targets
}

const (
	bundleDir  = "/var/lib/daisy/versionfile/kolla"
	hostsFile  = "/root/hosts.json"
	reportFile = "/root/report.json"
	baseDir    = "/var/lib/daisy-mcast"
	storeDir   = baseDir + "/store"
)

// newFleet opens a lab and installs the program on its deploy server.
func newFleet(t *testing.T, c fleetConfig) *fleet {
	t.Helper()
	lab.Need(t)
	program := needProgram(t, "distribute")
	f := &fleet{t: t, Lab: lab.New(t, c.lab())}
	f.deploy = f.Host("deploy")
	for _, h := range f.Hosts() {
		isExtra := slices.ContainsFunc(c.Extra, func(x lab.HostConfig) bool { return x.Name == h.Name() })
		if h != f.deploy && !isExtra {
			f.targets = append(f.targets, h)
		}
	}
	f.must(f.deploy.CopyIn(program, "/usr/local/bin/daisy-mcast", 0o755))
	f.must(f.deploy.Operator(t.Context(), "root", "root", f.Hosts()...))
	f.writeHosts(nil)
	return f
}

func (c fleetConfig) lab() lab.Config {
	n := c.Targets
	if n == 0 {
		n = 3
	}
	names := []string{"deploy"}
	for i := range n {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	cfg := lab.Config{Snooping: c.Snooping}
	for _, name := range names {
		engine, ok := c.Engines[name]
		if !ok {
			engine = c.Engine
		}
		cfg.Hosts = append(cfg.Hosts, lab.HostConfig{Name: name, Engine: engine,
			DataDiskSize: c.Disks[name], Networks: c.Networks[name]})
	}
	cfg.Hosts = append(cfg.Hosts, c.Extra...)
	for _, h := range cfg.Hosts {
		for _, network := range h.Networks {
			if !slices.Contains(cfg.Networks, network) {
				cfg.Networks = append(cfg.Networks, network)
			}
		}
	}
	if cfg.Networks != nil && !slices.Contains(cfg.Networks, lab.Management) {
		cfg.Networks = append(cfg.Networks, lab.Management)
	}
	return cfg
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// writeHosts writes the host list of R1, with more keys where given.
func (f *fleet) writeHosts(more map[string]any) {
	f.t.Helper()
	var list []map[string]any
	for _, h := range f.targets {
		entry := map[string]any{"name": h.Name(), "address": h.Addr().String()}
		for key, value := range more {
			entry[key] = value
		}
		list = append(list, entry)
	}
	data, err := json.Marshal(map[string]any{"hosts": list})
	f.must(err)
	f.must(f.deploy.WriteFile(hostsFile, data, 0o600))
}

// put copies a bundle to where Daisy keeps it on the deploy server, alone.
func (f *fleet) put(b bundle) string {
	f.t.Helper()
	f.must(f.deploy.Shell(f.t.Context(), "rm -rf "+bundleDir))
	path := bundleDir + "/kolla-image-stable-queens-180301120000.tgz"
	f.must(f.deploy.CopyIn(b.path, path, 0o644))
	return path
}

// others are the targets but one.
func (f *fleet) others(name string) []*lab.Host {
	return slices.DeleteFunc(slices.Clone(f.targets), func(h *lab.Host) bool { return h.Name() == name })
}

// strays are the program's processes on a host, but for registries.
func strays(h *lab.Host) []string {
	var all []string
	for _, p := range h.FindProcesses("daisy-mcast") {
		line := strings.Join(p.Args, " ")
		isRegistry := strings.Contains(line, "registry serve")
		if !isRegistry {
			all = append(all, fmt.Sprintf("%d: %s", p.PID, line))
		}
	}
	return all
}

// endPatience is how long agents may take to end after their session has.
const endPatience = 10 * time.Second

// wantNoStrays fails the test when the program left a process behind on a
// target, or a half-received blob, or an ssh on the deploy server (I6).
func (f *fleet) wantNoStrays(hosts ...*lab.Host) {
	f.t.Helper()
	deadline := time.Now().Add(endPatience)
	for {
		left := f.leftBehind(hosts)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (f *fleet) leftBehind(hosts []*lab.Host) []string {
	var left []string
	for _, h := range append(slices.Clone(hosts), f.deploy) {
		for _, line := range strays(h) {
			left = append(left, h.Name()+": process "+line)
		}
		files, err := h.Walk("/var/lib")
		if err != nil {
			f.t.Error(err)
		}
		for path := range files {
			if strings.Contains(path, "/staging/") {
				left = append(left, h.Name()+": "+path)
			}
		}
	}
	for _, p := range f.deploy.Processes() {
		if p.Name == "ssh" {
			left = append(left, "deploy: "+strings.Join(p.Args, " "))
		}
	}
	return left
}
