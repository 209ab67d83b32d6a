package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// byHand runs Daisy's two programs as Daisy did: a server on the deploy server,
// a client on each target. It returns how each ended; the server comes last.
func (f *fleet) byHand(payload []byte, to func(*lab.Host) string) []lab.Result {
	f.t.Helper()
	needProgram(f.t, "server")
	ctx := within(f.t, runTimeout)
	f.must(f.deploy.WriteFile("/root/payload", payload, 0o644))
	server := f.deploy.Addr().String()
	results := make([]lab.Result, len(f.targets)+1)
	var all sync.WaitGroup
	for i, h := range f.targets {
		f.must(f.deploy.Shell(ctx, "scp -q /usr/local/bin/daisy-mcast "+h.Name()+":/usr/local/bin/"))
		all.Go(func() {
			results[i] = h.Run(ctx, "sh", "-c",
				fmt.Sprintf("exec daisy-mcast client %s %s > %s", h.Addr(), server, to(h)))
		})
	}
	results[len(f.targets)] = f.deploy.Run(ctx, "sh", "-c",
		fmt.Sprintf("exec daisy-mcast server %s %d < /root/payload", server, len(f.targets)))
	all.Wait()
	return results
}

func randomBytes(n int) []byte {
	data := make([]byte, n)
	io.ReadFull(rand.NewChaCha8([32]byte{1}), data)
	return data
}

// TestServerAndClientByHand sends a file of several buffers at 1 % loss.
func TestServerAndClientByHand(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 3})
	for _, h := range f.targets {
		f.must(h.Lose(1))
	}
	payload := randomBytes(20 << 20)
	for _, r := range f.byHand(payload, func(*lab.Host) string { return "/root/received" }) {
		if !r.OK() {
			t.Error(r)
		}
	}
	for _, h := range f.targets {
		if got, err := h.ReadFile("/root/received"); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s has %d other bytes (%v)", h.Name(), len(got), err)
		}
	}
}

// TestFault19ClientByHandOnAFullDisk: the original exits 0 there (case B).
func TestFault19ClientByHandOnAFullDisk(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2, Disks: map[string]string{"h2": "4m"}})
	payload := randomBytes(8 << 20)
	results := f.byHand(payload, func(h *lab.Host) string {
		if h == f.Host("h2") {
			return baseDir + "/received"
		}
		return "/root/received"
	})
	if !results[0].OK() {
		t.Errorf("h1, where there is room: %v", results[0])
	}
	if results[1].Code == 0 || results[2].Code == 0 {
		t.Errorf("a disk was full, and client and server end with %d and %d:\n%v\n%v",
			results[1].Code, results[2].Code, results[1], results[2])
	}
}

// TestFault11ClientByHandStopped: one stopped client does not stall the others
// for ever (case E).
func TestFault11ClientByHandStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetConfig{Targets: 2})
	f.must(f.deploy.LimitRate("60mbit"))
	before, err := f.Host("h2").MulticastBytes()
	f.must(err)
	go func() {
		if f.Host("h2").AwaitMulticast(within(t, runTimeout), before+1<<20) == nil {
			f.Host("h2").Freeze()
			time.Sleep(runTimeout / 2) // longer than the server's patience, shorter than the test's
			f.Host("h2").Thaw()
		}
	}()
	payload := randomBytes(8 << 20)
	results := f.byHand(payload, func(*lab.Host) string { return "/root/received" })
	if !results[0].OK() || results[2].Code == 0 {
		t.Errorf("the other client and the server:\n%v\n%v", results[0], results[2])
	}
	if results[1].Code == 0 {
		t.Errorf("the stopped client: %v", results[1])
	}
	if i := slices.IndexFunc(results[:1], func(r lab.Result) bool { return r.Took > 40*time.Second }); i >= 0 {
		t.Errorf("it was held up: %v", results[i])
	}
}
