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
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/daisyconfig"
	"github.com/daisy-mcast/daisy-mcast/pkg/kolla"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
	"github.com/daisy-mcast/daisy-mcast/pkg/remote"
)

func TestR7AllLocal(t *testing.T) {
	b := newBench(t, 3)
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Local) != 3 {
		t.Fatalf("got %+v, %v", rep.Counts, err)
	}
	if rep.PackBytes != 4000 || rep.SentBytes != 4000 {
		t.Errorf("pack %d, sent %d, want 4000 once", rep.PackBytes, rep.SentBytes)
	}
}

// What goes wrong on one host decides that host's outcome and no other's.
func TestR7OneBadHostIsOneBadHost(t *testing.T) {
	missing := message.ReceiveResult{Packets: 2, Missing: message.IndexesOf(2, 3)}
	withProblem := func(reason string) message.ReceiveResult {
		res := missing
		res.Problem = &message.Problem{Reason: reason, Text: "it broke"}
		return res
	}
	for name, c := range map[string]struct {
		spoil   func(*fakeAgent)
		outcome progress.Outcome
		reason  string
	}{
		"SSH refused":            {func(f *fakeAgent) { f.dialErr = unreachable() }, progress.Failed, "refused"},
		"could not take list":    {func(f *fakeAgent) { f.errs["list"] = failure(message.ReasonStale, "full") }, progress.Failed, "stale"},
		"engine down":            {func(f *fakeAgent) { f.errs["serve"] = failure(message.ReasonEngine, "down") }, progress.Failed, "engine"},
		"port taken":             {func(f *fakeAgent) { f.errs["serve"] = failure(message.ReasonPort, "pid 7") }, progress.Failed, "port taken"},
		"disk full before":       {func(f *fakeAgent) { f.check.Disk = &message.Problem{Reason: message.ReasonDisk} }, progress.Central, "disk full"},
		"sender out of reach":    {func(f *fakeAgent) { f.check.Sender = &message.Problem{Reason: message.ReasonSender} }, progress.Central, message.ReasonSender},
		"another architecture":   {func(f *fakeAgent) { f.check.Platform = &message.Problem{Reason: message.ReasonArchitecture} }, progress.Failed, "architecture"},
		"disk full while it ran": {func(f *fakeAgent) { f.received = withProblem(message.ReasonDisk) }, progress.Central, "disk full"},
		"no multicast":           {func(f *fakeAgent) { f.received = withProblem(message.ReasonMulticast) }, progress.Central, "no multicast"},
		"wrong bytes":            {func(f *fakeAgent) { f.received = withProblem(message.ReasonDigest) }, progress.Central, "digest"},
		"killed while receiving": {func(f *fakeAgent) { f.dies = "receive" }, progress.Central, "connection lost"},
		"killed, then gone":      {func(f *fakeAgent) { f.dies = "receive"; f.redialErr = unreachable() }, progress.Failed, "connection lost"},
		"lost while connecting":  {func(f *fakeAgent) { f.dialErr = &remote.Error{Reason: remote.ReasonLost}; f.dialErrOnce = true }, progress.Central, "connection lost"},
		"killed at the list":     {func(f *fakeAgent) { f.dies = "list" }, progress.Central, "connection lost"},
		"proof fails":            {func(f *fakeAgent) { f.errs["verify"] = failure(message.ReasonVerify, "500") }, progress.Failed, "verify"},
		"set does not activate":  {func(f *fakeAgent) { f.errs["activate"] = failure(message.ReasonStore, "EIO") }, progress.Failed, "store"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 3)
			c.spoil(b.agents[1])
			rep, err := b.run()
			if err != nil {
				t.Fatal(err)
			}
			if got := rep.Hosts[1]; got.Outcome != c.outcome || got.Reason != c.reason {
				t.Errorf("got %s, %q (%s), want %s, %q", got.Outcome, got.Reason, got.Detail, c.outcome, c.reason)
			}
			for _, i := range []int{0, 2} {
				if rep.Hosts[i].Outcome != progress.Local {
					t.Errorf("host %d: got %s (%s), want local", i, rep.Hosts[i].Outcome, rep.Hosts[i].Detail)
				}
			}
		})
	}
}

// A host is called central only after it switched to the new list and delivered
// an image; a host that lost its agent has switched before it is asked (R9).
func TestR9LostHostLeansOnTheNewList(t *testing.T) {
	b := newBench(t, 2)
	b.agents[1].dies = message.CallReceive
	rep, err := b.run()
	if err != nil || rep.Hosts[1].Outcome != progress.Central {
		t.Fatalf("got %+v, %v", rep.Hosts[1], err)
	}
	f := b.agents[1]
	var act message.Activate
	if err := json.Unmarshal(f.bytes[message.CallActivate], &act); err != nil || !act.Lean || act.SetID != b.set.ID {
		t.Errorf("activate: %s, %v", f.bytes[message.CallActivate], err)
	}
	if f.did(message.CallList) != 2 || f.did(message.CallVerify) != 1 {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestNothingMissingNothingSent(t *testing.T) {
	b := newBench(t, 2)
	for _, f := range b.agents {
		f.missing = message.Indexes{}
	}
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Local) != 2 || rep.PackBytes != 0 || b.sender.did(message.CallSend) != 0 {
		t.Errorf("got %+v, %v, %d sends", rep.Counts, err, b.sender.did(message.CallSend))
	}
}

func TestPackIsTheUnionOfWhatIsMissing(t *testing.T) {
	b := newBench(t, 3)
	b.agents[0].missing, b.agents[1].missing, b.agents[2].missing = message.IndexesOf(3), message.IndexesOf(1, 3), message.Indexes{}
	if _, err := b.run(); err != nil {
		t.Fatal(err)
	}
	var req message.Send
	if err := json.Unmarshal(b.sender.bytes[message.CallSend], &req); err != nil || !slices.Equal(req.Pack.List(), []int{1, 3}) {
		t.Errorf("pack %v, %v, want [1 3]", req.Pack, err)
	}
	if b.agents[2].did(message.CallReceive) != 0 || len(req.Clients) != 2 {
		t.Errorf("a host that lacks nothing takes part: %v", req.Clients)
	}
}

func TestR4NoHostReachesTheSender(t *testing.T) {
	b := newBench(t, 2)
	for _, f := range b.agents {
		f.check.Sender = &message.Problem{Reason: message.ReasonSender, Text: "refused"}
	}
	_, err := b.run()
	if !errors.Is(err, ErrNoWay) || !strings.Contains(err.Error(), "--sender") {
		t.Errorf("got %v, want ErrNoWay", err)
	}
	if b.sender.did(message.CallSend) != 0 || b.agents[0].did(message.CallActivate) != 0 {
		t.Error("something was changed")
	}
}

func TestFault66BadBundleChangesNothing(t *testing.T) {
	b := newBench(t, 2)
	b.sender.errs[message.CallImport] = failure(message.ReasonBundle, "blob sha256:… is cut")
	_, err := b.run()
	if !errors.Is(err, ErrInput) || b.agents[0].did(message.CallList) != 0 {
		t.Errorf("got %v, calls %v", err, b.agents[0].calls)
	}
}

func TestFault75EverythingFails(t *testing.T) {
	b := newBench(t, 3)
	for _, f := range b.agents {
		f.dialErr = unreachable()
	}
	rep, err := b.run()
	if !errors.Is(err, ErrNoWay) || rep.Outcome(progress.Failed) != 3 {
		t.Fatalf("got %v, %+v", err, rep.Counts)
	}
	for _, h := range rep.Hosts {
		if h.Reason != "refused" || !strings.Contains(h.Detail, "Connection refused; hint: is sshd running there") {
			t.Errorf("%s: reason %q, %q", h.Name, h.Reason, h.Detail)
		}
	}
}

func TestR12CentralOnlyAfterTheEnginePulled(t *testing.T) {
	for _, fallback := range []kolla.Fallback{kolla.PerHost, kolla.All} {
		b := newBench(t, 2)
		b.cfg.Fallback = fallback
		b.agents[1].check.Disk = &message.Problem{Reason: message.ReasonDisk}
		rep, err := b.run()
		var pull message.Pull
		if uerr := json.Unmarshal(b.agents[1].bytes[message.CallPull], &pull); uerr != nil || pull.Reference != "10.0.0.1:4000/kolla/keystone:6.0.0" {
			t.Errorf("%s: pulled %q, %v", fallback, pull.Reference, uerr)
		}
		if err != nil || rep.Hosts[1].Outcome != progress.Central {
			t.Errorf("%s: %+v, %v", fallback, rep.Hosts[1], err)
		}
		b = newBench(t, 2)
		b.cfg.Fallback = fallback
		b.agents[1].check.Disk = &message.Problem{Reason: message.ReasonDisk}
		b.agents[1].errs[message.CallPull] = failure(message.ReasonEngine, "x509")
		if rep, _ = b.run(); rep.Hosts[1].Outcome != progress.Failed {
			t.Errorf("%s: %s although the engine could not pull", fallback, rep.Hosts[1].Outcome)
		}
	}
}

func TestR3WrongMachineIsNotTouched(t *testing.T) {
	b := newBench(t, 2)
	b.cfg.Hosts[1].MACs = []string{"52:54:00:ff:ff:ff"}
	rep, err := b.run()
	if err != nil || rep.Hosts[1].Reason != message.ReasonIdentity || b.agents[1].did(message.CallList) != 0 {
		t.Errorf("got %+v, %v, calls %v", rep.Hosts[1], err, b.agents[1].calls)
	}
}

func TestR3UnprovenGoesByAddress(t *testing.T) {
	b := newBench(t, 2)
	b.cfg.Hosts[0].Name, b.cfg.Hosts[1].Name = "", ""
	b.cfg.Pair = func(proofs []daisyconfig.Proof) (*daisyconfig.Targets, error) {
		if len(proofs) != 2 || proofs[0].Hostname == "" || len(proofs[0].MACs) == 0 {
			t.Errorf("proofs %+v", proofs)
		}
		return &daisyconfig.Targets{Hosts: []daisyconfig.Target{{
			Name: "computer01", Address: netip.MustParseAddr("10.0.0.11"), Roles: []daisyconfig.Role{daisyconfig.Computer},
		}}}, nil
	}
	rep, err := b.run()
	if err != nil || rep.Hosts[0].Name != "" || rep.Hosts[1].Name != "computer01" {
		t.Fatalf("got %+v, %v", rep.Hosts, err)
	}
	if !slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "10.0.0.10") && strings.Contains(w, "derived") }) {
		t.Errorf("warnings %q do not say that 10.0.0.10 is unproven", rep.Warnings)
	}
}

func TestR11SenderThatIsATargetServesFromOneProcess(t *testing.T) {
	b := newBench(t, 2)
	b.agents[0].facts.Machine = b.sender.facts.Machine
	b.agents[0].missing = message.Indexes{}
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Local) != 2 {
		t.Fatalf("got %+v, %v", rep.Hosts, err)
	}
	var c message.Central
	var s message.Serve
	if err := json.Unmarshal(b.sender.bytes[message.CallCentral], &c); err != nil || c.Local.String() != "127.0.0.1:4000" {
		t.Errorf("central: %+v, %v", c, err)
	}
	if err := json.Unmarshal(b.agents[0].bytes[message.CallServe], &s); err != nil || !s.Shared {
		t.Errorf("serve: %+v, %v", s, err)
	}
}

func TestR13DropInNamesOnlyLeaningHosts(t *testing.T) {
	dir := t.TempDir()
	globals := filepath.Join(dir, "globals.d")
	if err := os.Mkdir(globals, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "globals.yml"), []byte("---\ndocker_namespace: other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, 2)
	b.cfg.Fallback, b.cfg.GlobalsDir, b.cfg.GlobalsFile = kolla.PerHost, globals, filepath.Join(dir, "globals.yml")
	b.agents[1].check.Disk = &message.Problem{Reason: message.ReasonDisk}
	rep, err := b.run()
	if err != nil || rep.DropIn == nil || rep.DropIn.Action != "created" {
		t.Fatalf("got %+v, %v", rep.DropIn, err)
	}
	text, err := os.ReadFile(filepath.Join(globals, kolla.FileName))
	if err != nil || !strings.Contains(string(text), "host1") || strings.Contains(string(text), "host0") {
		t.Errorf("drop-in: %s, %v", text, err)
	}
	if !slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "globals.yml:2") }) {
		t.Errorf("warnings %q do not name globals.yml:2", rep.Warnings)
	}
}

func TestR14HostsOfKollasWithoutRegistryAreNamed(t *testing.T) {
	b := newBench(t, 2)
	b.cfg.KollaInventory = []byte(`{"_meta": {"hostvars": {}}, "baremetal": {"hosts": ["host0", "host1", "compute9"]}}`)
	b.agents[1].dialErr = unreachable()
	rep, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"host0": false, "host1": true, "compute9": true} {
		got := slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.HasPrefix(w, name+" is in Kolla's inventory") })
		if got != want {
			t.Errorf("%s: named %v, want %v in %q", name, got, want, rep.Warnings)
		}
	}
}

func TestInterruptLeavesSetsAsTheyWere(t *testing.T) {
	b := newBench(t, 2)
	r := newRun(b.cfg)
	r.dial = b.dial(r)
	ctx, cancel := contextCancelledAt(t, b.agents[0], message.CallReceive)
	defer cancel()
	_, err := r.whole(ctx)
	if !errors.Is(err, errInterrupted) {
		t.Fatalf("got %v", err)
	}
	for _, f := range b.agents {
		if f.did(message.CallActivate) != 0 {
			t.Error("a set was switched to after the interrupt")
		}
	}
}

// A run that is for an added host only leaves alone what the drop-in says of the
// others; one that is for all decides anew.
func TestR13PartialRunKeepsTheOthersFallback(t *testing.T) {
	dir := t.TempDir()
	leans := func(b *bench) bool {
		b.cfg.GlobalsDir, b.cfg.Fallback = dir, kolla.PerHost
		if _, err := b.run(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, kolla.FileName))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "'host0': '10.0.0.1:4000'")
	}
	first := newBench(t, 2)
	first.agents[0].check.Disk = &message.Problem{Reason: message.ReasonDisk}
	if !leans(first) {
		t.Fatal("host0 does not lean")
	}
	for _, partial := range []bool{true, false} {
		b := newBench(t, 1)
		b.cfg.Hosts[0].Name, b.cfg.Partial = "added", partial
		if got := leans(b); got != partial {
			t.Errorf("partial %v: host0 leans: %v", partial, got)
		}
	}
}

// TestNoSenderBlamesNoHost: hosts are connected to beside the sender; that it cannot be
// used ends the run at once, and no host is told to be at fault.
func TestNoSenderBlamesNoHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3)
		b.sender.dialErr = unreachable()
		b.agents[1].hangs = message.CallSetup
		begun := time.Now()
		rep, err := b.run()
		if !errors.Is(err, ErrNoWay) || !strings.Contains(err.Error(), "the sender") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, h := range rep.Hosts {
			if h.Outcome != progress.Failed || h.Reason != "not reached" {
				t.Errorf("%s is %s: %q", h.Name, h.Outcome, h.Reason)
			}
		}
	})
}

// TestSenderAndHostsConnectAtOnce: neither waits for the other.
func TestSenderAndHostsConnectAtOnce(t *testing.T) {
	b := newBench(t, 2)
	met := make(chan struct{}, 3)
	wait := func(name string) {
		if name != message.CallSetup {
			return
		}
		met <- struct{}{}
		for range 1000 { // until all three are there
			if len(met) == 3 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, f := range append(slices.Clone(b.agents), b.sender) {
		f.onCall = wait
	}
	begun := time.Now()
	if rep, err := b.run(); err != nil || rep.Outcome(progress.Local) != 2 {
		t.Errorf("%+v, %v", rep.Counts, err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("they did not meet in %v", took)
	}
}
