package e2e

import (
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestFault31OnePercentLoss is repaired, on every host.
func TestFault31OnePercentLoss(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	for _, h := range f.targets {
		f.must(h.Lose(1))
	}
	b := bigBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	for _, h := range f.targets {
		if r.host(h.Name()).Lost == 0 {
			t.Errorf("%s reports no loss", h.Name())
		}
	}
	f.wantNoStrays(f.targets...)
}

// TestFault31AsymmetricLoss: hosts that lose nothing, little and much.
func TestFault31AsymmetricLoss(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 4})
	for i, percent := range []float64{0, 1, 5, 20} {
		f.must(f.targets[i].Lose(percent))
	}
	b := bigBundle(t)
	r := f.distribute(f.put(b))
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
}

// TestFault30NoMulticastAtOneHost: that host is repaired over TCP or leans on
// the central registry; the others are local.
func TestFault30NoMulticastAtOneHost(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]func(*lab.Host) error{
		"Multicast": (*lab.Host).FilterMulticast,
		"AllUDP":    (*lab.Host).FilterUDP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, fleetConfig{Targets: 3})
			f.must(filter(f.Host("h2")))
			f.wantMulticastFaultSurvived("h2")
		})
	}
}

// TestFault29IGMPBlackHole: the switch never hears of one host's join.
func TestFault29IGMPBlackHole(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3, Snooping: true})
	f.must(f.Host("h2").FilterIGMP())
	f.wantMulticastFaultSurvived("h2")
}

func (f *fleet) wantMulticastFaultSurvived(name string) {
	f.t.Helper()
	b := bigBundle(f.t)
	r := f.distribute(f.put(b))
	f.wantLocal(r, b, f.others(name)...)
	switch h := r.host(name); h.Outcome {
	case "local":
	case "central":
		r.want(name, "central", "multicast")
	default:
		f.t.Errorf("%s is %s (%s), want local or central:\n%s", name, h.Outcome, h.why(), r.raw)
	}
	f.wantServed(f.Host(name), b, "")
	f.wantNoStrays(f.targets...)
}

// TestFault44SenderPortClosed: a host's firewall lets nothing through to the
// sender's control port.
func TestFault44SenderPortClosed(t *testing.T) {
	eachCarrier(t, fleetConfig{Targets: 2}, func(f *fleet, port int) {
		f.must(f.Host("h2").BlockTCPTo(port))
		b := smallBundle(f.t)
		r := f.distribute(f.put(b))
		r.wantCode(exitCentral)
		r.want("h2", "central", "sender")
		f.wantLocal(r, b, f.Host("h1"))
		f.wantServed(f.Host("h2"), b, "")
	})
}

// TestFault74CentralUnreachableToo: a host that can take neither way has failed.
func TestFault74CentralUnreachableToo(t *testing.T) {
	eachCarrier(t, fleetConfig{Targets: 2}, func(f *fleet, port int) {
		f.must(f.Host("h2").BlockTCPTo(port))
		f.must(f.Host("h2").BlockTCPTo(4000))
		b := smallBundle(f.t)
		r := f.distribute(f.put(b))
		r.wantCode(exitFailed)
		r.want("h2", "failed", "central", "sender")
		f.wantLocal(r, b, f.Host("h1"))
	})
}

// TestR4NoWayBack: hosts that can be entered but reach nothing of the deploy
// server. Nothing is changed there.
func TestR4NoWayBack(t *testing.T) {
	eachCarrier(t, fleetConfig{Targets: 2}, func(f *fleet, port int) {
		for _, h := range f.targets {
			f.must(h.BlockTCPTo(port))
			f.must(h.BlockTCPTo(4000))
		}
		r := f.distribute(f.put(smallBundle(f.t)))
		r.wantCode(exitUsage)
		if !strings.Contains(r.Stderr, "--sender") {
			f.t.Errorf("the way out, --sender, is not named: %v", r.Result)
		}
		for _, h := range f.targets {
			if found := h.FindProcesses("registry", "serve"); len(found) > 0 {
				f.t.Errorf("a registry runs on %s: %v", h.Name(), found)
			}
		}
		f.wantNoStrays(f.targets...)
	})
}

// TestR4JumpHostAndSender: the operator's machine is on another network; one of
// the hosts sends in its place.
func TestR4JumpHostAndSender(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3,
		Networks: map[string][]string{"deploy": {"office"}},
		Extra:    []lab.HostConfig{{Name: "jump", Networks: []string{"office", lab.Management}}}})
	const config = "Host jump\n  ProxyJump none\nHost *\n  ProxyJump jump\n"
	f.must(f.deploy.WriteFile("/root/.ssh/config", []byte(config), 0o600))
	b := bigBundle(t)
	path := f.put(b)

	r := f.distribute(path)
	r.wantCode(exitUsage)
	r = f.distribute("--sender", "h1", path)
	r.wantCode(exitLocal)
	f.wantLocal(r, b, f.targets...)
	f.wantNoStrays(f.targets...)
}

// TestR6DeadProxyEverywhere: our own connections take no notice of it.
func TestR6DeadProxyEverywhere(t *testing.T) {
	t.Parallel()
	const dead = "http://127.0.0.1:9"
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": diskForProgram(t)}})
	for _, h := range f.Hosts() {
		f.must(h.SetProxy(dead))
	}
	b := bigBundle(t)
	args := f.command(f.put(b))
	p, err := f.deploy.Start(lab.Cmd{Args: args, Env: []string{"http_proxy=" + dead, "https_proxy=" + dead,
		"HTTP_PROXY=" + dead, "HTTPS_PROXY=" + dead}})
	f.must(err)
	r := f.finish(p)
	r.wantCode(exitCentral)
	f.wantLocal(r, b, f.Host("h1"))
	r.want("h2", "central", "disk")
	f.wantServed(f.Host("h2"), b, "")
}

// TestSixteenHosts are served at once, and by one sending.
func TestSixteenHosts(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 16})
	b := bigBundle(t)
	path := f.put(b)
	f.must(f.deploy.LimitRate("400mbit"))
	before, err := f.deploy.Sent()
	f.must(err)
	r := f.distribute("--registry-mode", "process", path)
	r.wantCode(exitLocal)
	after, err := f.deploy.Sent()
	f.must(err)
	f.wantLocal(r, b, f.targets...)
	f.wantNoStrays(f.targets...)

	// What left the deploy server: the program to each host over SSH, which
	// compresses nothing; the payload once, not sixteen times; and what hosts
	// lost on this busy machine. A tenth is for headers, SSH's and ours.
	expected := 16*f.programSize() + b.size()
	for _, h := range f.targets {
		expected += 1500 * r.host(h.Name()).Repaired
	}
	if sent := after - before; sent > expected+expected/10 {
		t.Errorf("%d bytes were sent to 16 hosts, want at most %d and a tenth", sent, expected)
	}
}

func (f *fleet) programSize() int64 {
	f.t.Helper()
	files, err := f.deploy.Walk("/usr/local/bin")
	f.must(err)
	return files["/usr/local/bin/daisy-mcast"]
}
