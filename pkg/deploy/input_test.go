package deploy

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/registry"
)

func TestFault17TooFewOpenFiles(t *testing.T) {
	b := newBench(t, 200)
	r := newRun(b.cfg)
	r.dial, r.files = b.dial(r), 64
	_, err := r.whole(t.Context())
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "ulimit -n 1128") {
		t.Errorf("got %v", err)
	}
	if len(b.sessions) != 0 {
		t.Errorf("%d sessions were opened", len(b.sessions))
	}
	if err := checkFiles(64, 3); err != nil {
		t.Errorf("3 hosts: %v", err)
	}
}

func TestFault50SecondRunIsRefused(t *testing.T) {
	b := newBench(t, 2)
	b.sender.errs[message.CallImport] = failure(message.ReasonBusy, "another run sends from /x: pid 7 on deploy")
	_, err := b.run()
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "pid 7 on deploy") || strings.Contains(err.Error(), "bundle.tgz") {
		t.Errorf("got %v", err)
	}
	var req message.Import
	if err := json.Unmarshal(b.sender.bytes[message.CallImport], &req); err != nil || !strings.HasPrefix(req.By, "pid ") {
		t.Errorf("the sender is not told who runs: %+v, %v", req, err)
	}
}

func TestSenderThatAnswersNonsense(t *testing.T) {
	b := newBench(t, 2)
	b.set = nil
	if _, err := b.run(); !errors.Is(err, ErrInput) {
		t.Errorf("got %v", err)
	}
}

// An operator's own central registry is asked for the set before anything is
// sent; hosts then lean on it.
func TestR11OwnCentralRegistry(t *testing.T) {
	own := registry.Upstream{URL: "https://registry.example:5000", CA: []byte("ca"), Username: "u", Password: "p"}
	b := newBench(t, 2)
	b.cfg.CentralIs = &own
	b.agents[1].check.Disk = &message.Problem{Reason: message.ReasonDisk}
	rep, err := b.run()
	if err != nil || rep.Hosts[1].Outcome != progress.Central || rep.Central != own.URL || b.sender.did(message.CallCentral) != 0 {
		t.Fatalf("got %+v, %v", rep, err)
	}
	var list message.List
	if err := json.Unmarshal(b.agents[1].bytes[message.CallList], &list); err != nil || list.Upstream.Password != "p" || list.Shared {
		t.Errorf("list: %+v, %v", list, err)
	}
	b = newBench(t, 2)
	b.cfg.CentralIs = &own
	b.sender.errs[message.CallReach] = failure(message.ReasonCentral, "manifest unknown")
	_, err = b.run()
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), own.URL) || b.agents[0].did(message.CallList) != 0 {
		t.Errorf("got %v, calls %v", err, b.agents[0].calls)
	}
}

// A globals.yml that is not there is nobody's fault.
func TestR13NoGlobalsNoWarning(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, 2)
	b.cfg.Fallback, b.cfg.GlobalsDir = kolla.Uniform, dir
	rep, err := b.run()
	if err != nil || rep.DropIn == nil {
		t.Fatalf("got %+v, %v", rep.DropIn, err)
	}
	if i := slices.IndexFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "globals.yml") }); i >= 0 {
		t.Errorf("warned: %s", rep.Warnings[i])
	}
	b = newBench(t, 2)
	b.cfg.GlobalsDir, b.cfg.GlobalsFile = dir, filepath.Join(dir, "named.yml")
	rep, _ = b.run()
	if !slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "named.yml") }) {
		t.Errorf("a file that was named and is not there: warnings %q", rep.Warnings)
	}
}

// A host may have nothing but a name that ssh knows.
func TestR1HostWithoutAnAddress(t *testing.T) {
	b := newBench(t, 2)
	b.cfg.Hosts[0].Address, b.cfg.Hosts[0].Name = netip.Addr{}, "node1.example"
	b.cfg.KollaInventory = []byte(`{"_meta": {"hostvars": {}}, "baremetal": {"hosts": ["node1.example", "host1"]}}`)
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Local) != 2 {
		t.Fatalf("got %+v, %v", rep.Hosts, err)
	}
	if h := rep.Hosts[0]; h.Name != "node1.example" || h.Address != "10.0.0.10" {
		t.Errorf("got %q, %q, want the address that the host found", h.Name, h.Address)
	}
	b = newBench(t, 1)
	b.cfg.Hosts[0].Address = netip.Addr{}
	b.agents[0].dialErr = unreachable()
	rep, _ = b.run()
	if h := rep.Hosts[0]; h.Address != "" || strings.Contains(rep.Rows()[0].Address, "invalid") {
		t.Errorf("got address %q", h.Address)
	}
}

// Two names of one machine are one machine: the second name is left out.
func TestFault61OneMachineTwice(t *testing.T) {
	b := newBench(t, 3)
	b.agents[2].facts.Machine = b.agents[0].facts.Machine
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Local) != 2 || rep.Hosts[2].Reason != message.ReasonIdentity ||
		!strings.Contains(rep.Hosts[2].Detail, "host0") || b.agents[2].did(message.CallList) != 0 {
		t.Errorf("got %+v, %v", rep.Hosts[2], err)
	}
}

func TestSomeAddress(t *testing.T) {
	named := func(given string, own ...string) *host {
		h := &host{}
		h.cfg.Address, _ = netip.ParseAddr(given)
		for _, a := range own {
			h.facts.Addresses = append(h.facts.Addresses, netip.MustParseAddr(a))
		}
		return h
	}
	senders := []netip.Addr{netip.MustParseAddr("172.17.0.1")}
	for want, hosts := range map[string][]*host{
		"10.0.0.5":   {named("", "10.0.0.4"), named("10.0.0.5")},
		"10.0.0.4":   {named("", "127.0.0.1", "172.17.0.1", "10.0.0.4")},
		"invalid IP": {named("", "127.0.0.1")},
	} {
		if got := someAddress(hosts, senders); got.String() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// The default deadline is known before the import, which has to end by it too.
func TestDefaultDeadlineFollowsThePayload(t *testing.T) {
	b := newBench(t, 1)
	b.cfg.Timeout = 0
	b.cfg.Bundle = filepath.Join(t.TempDir(), "b.tgz")
	if err := os.WriteFile(b.cfg.Bundle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.cfg.Bundle, 100*TimeoutRate); err != nil {
		t.Fatal(err)
	}
	r := newRun(b.cfg)
	r.dial = b.dial(r)
	if _, err := r.whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.deadline.Sub(r.started); got != TimeoutBase+100*time.Second {
		t.Errorf("got %v", got)
	}
}

// A deploy server that is the only target asks nobody else for the way.
func TestR11SenderIsTheOnlyTarget(t *testing.T) {
	b := newBench(t, 1)
	b.cfg.LocalIP, b.cfg.Hosts[0].Address = netip.Addr{}, netip.Addr{}
	b.agents[0].facts.Machine = "deploy"
	b.sender.facts.Addresses = append([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, b.sender.facts.Addresses...)
	r := newRun(b.cfg)
	r.dial = b.dial(r)
	if _, err := r.whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.carrier.Sender.Addr().String(); got != "10.0.0.1" {
		t.Errorf("the sender's address is %s", got)
	}
}
