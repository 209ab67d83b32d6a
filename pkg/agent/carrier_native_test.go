package agent

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
)

// nativeTransfer sends the whole set over the native protocol, each side knowing
// the keys that the others told; confuse may change what the sender is told.
func (f *fleet) nativeTransfer(confuse func(*message.Send)) (sent message.SendResult, got []message.ReceiveResult, err error) {
	f.carrier.Protocol = "native"
	f.carrier.Group = netip.AddrPortFrom(transfer.DefaultGroup(), f.carrier.Sender.Port())
	var listening message.Listening
	f.sender.must(message.CallListen, message.Listen{Carrier: f.carrier}, &listening)
	f.carrier.Pin = listening.Pin
	req := message.Send{Carrier: f.carrier, SetID: f.set.ID, Pack: f.pack(), JoinTimeout: 5 * time.Second}
	for i, h := range f.hosts {
		var checked message.CheckResult
		h.must(message.CallCheck, message.Check{
			Address: hostAddress(i), Carrier: f.carrier, Upstream: f.upstream, SetID: f.set.ID,
		}, &checked)
		req.Clients, req.Pins = append(req.Clients, hostAddress(i)), append(req.Pins, checked.Pin)
	}
	confuse(&req)
	ended := make(chan error, 1)
	go func() { ended <- f.sender.call(message.CallSend, req, &sent) }()
	<-f.sender.opens
	got = make([]message.ReceiveResult, len(f.hosts))
	var wg sync.WaitGroup
	for i, h := range f.hosts {
		wg.Go(func() {
			req := message.Receive{Carrier: f.carrier, LocalIP: hostAddress(i), SetID: f.set.ID, Pack: f.pack()}
			if err := h.call(message.CallReceive, req, &got[i]); err != nil {
				h.t.Errorf("host %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return sent, got, <-ended
}

func TestNativeCarrierBringsTheSet(t *testing.T) {
	f := newFleet(t, 2)
	for _, h := range f.hosts {
		h.list(f.set, f.upstream)
	}
	sent, got, err := f.nativeTransfer(func(*message.Send) {})
	if err != nil || sent.Bytes != f.set.TotalSize() || len(sent.Clients) != 0 {
		t.Fatalf("sent %+v, %v", sent, err)
	}
	for i, r := range got {
		if r.Problem != nil || r.Missing.Len() != 0 || r.Bytes != f.set.TotalSize() || r.Packets == 0 {
			t.Errorf("host %d: %+v", i, r)
		}
	}
}

// newFleetWithStranger is two hosts that know the set, and the key of neither.
func newFleetWithStranger(t *testing.T) (f *fleet, pin string) {
	t.Helper()
	f = newFleet(t, 2)
	for _, h := range f.hosts {
		h.list(f.set, f.upstream)
	}
	other, err := transfer.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return f, other.Pin().String()
}

// TestFault54NativeCarrierKnowsItsHosts: a host whose key the sender was not told
// gets nothing, and the others all.
func TestFault54NativeCarrierKnowsItsHosts(t *testing.T) {
	f, stranger := newFleetWithStranger(t)
	sent, got, err := f.nativeTransfer(func(s *message.Send) { s.Pins[1] = stranger })
	if err != nil || sent.Clients["127.0.0.3"] == "" || len(sent.Clients) != 1 {
		t.Errorf("sent %+v, %v", sent, err)
	}
	if got[0].Problem != nil || got[0].Missing.Len() > 0 {
		t.Errorf("the known host: %+v", got[0])
	}
	if got[1].Problem == nil || got[1].Problem.Reason != message.ReasonTransfer || got[1].Packets > 0 {
		t.Errorf("the unknown host: %+v", got[1])
	}
}

// TestNativeCarrierHasAQuorum: fewer join than it takes, so nobody gets anything.
func TestNativeCarrierHasAQuorum(t *testing.T) {
	f, stranger := newFleetWithStranger(t)
	_, got, err := f.nativeTransfer(func(s *message.Send) {
		s.Pins[1], s.Quorum, s.SlowHosts, s.MinRate, s.DSCP = stranger, 2, "wait", 1_000_000, 8
	})
	if err == nil || !strings.Contains(err.Error(), "quorum") {
		t.Errorf("sending: %v", err)
	}
	for i, r := range got {
		if r.Problem == nil || r.Bytes > 0 {
			t.Errorf("host %d: %+v", i, r)
		}
	}
}

func TestNativeCarrierRefusesAnUnknownPolicy(t *testing.T) {
	f := newFleet(t, 0)
	_, _, err := f.nativeTransfer(func(s *message.Send) { s.SlowHosts = "hang" })
	if err == nil || !strings.Contains(err.Error(), "want one of detach, wait, drop") {
		t.Errorf("got %v", err)
	}
}
