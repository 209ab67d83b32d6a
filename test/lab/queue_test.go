package lab_test

import (
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestQueueOfAPort: bed B. What does not fit a port's queue is dropped and counted,
// what leaves it keeps the rate, and all that was sent is one or the other.
func TestQueueOfAPort(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Config{Hosts: hosts("sender", "h1")})
	s := l.Switch(lab.Management)
	if _, err := s.Queue("h1"); err == nil {
		t.Error("a port without a limit has a queue's figures")
	}
	if err := s.LimitPort("h1", "8mbit"); err != nil {
		t.Fatal(err)
	}
	conn := join(t, l.Host("h1"))
	before, err := s.Queue("h1")
	if err != nil {
		t.Fatal(err)
	}
	m := s.MeterQueue("h1", 10*time.Millisecond)
	send(t, l.Host("sender"), 5000) // 710 kB: 64 pass at once, some pass meanwhile, the queue takes 256 KiB
	got := received(t, conn, quiet)
	log, err := m.Stop()
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.Queue("h1")
	if err != nil {
		t.Fatal(err)
	}
	if dropped := int(after.Drops - before.Drops); dropped == 0 || got+dropped < 5000 || got+dropped > 5005 {
		t.Errorf("%d arrived and %d were dropped, want 5000 together (and what the hosts say by themselves), some dropped", got, dropped)
	}
	if bytes := after.Bytes - before.Bytes; bytes < uint64(got*142) || bytes > uint64(got*142)+10000 {
		t.Errorf("%d bytes left the queue, %d datagrams of 142 arrived", bytes, got)
	}
	deepest := uint32(0)
	for _, r := range log {
		deepest = max(deepest, r.Backlog)
	}
	if deepest < 200<<10 || deepest > 256<<10 {
		t.Errorf("%d bytes waited at most, want nearly 256 KiB", deepest)
	}
	var full []lab.QueueReading // while much waits, what leaves is the rate
	for _, r := range log {
		if r.Backlog > 32<<10 {
			full = append(full, r)
		}
	}
	if len(full) < 2 {
		t.Fatalf("much waited in %d of %d readings", len(full), len(log))
	}
	half, last := full[0], full[len(full)-1]
	if rate := float64(last.Bytes-half.Bytes) * 8 / last.At.Sub(half.At).Seconds(); rate < 6e6 || rate > 9e6 {
		t.Errorf("%.1f Mb/s left the queue, want 8", rate/1e6)
	}
}
