package e2e

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestFault10And11SenderStopped: a sender that stands still for five seconds goes on;
// one that does for ever is left by its receivers, without a file, after the silence
// limit of ten.
func TestFault10And11SenderStopped(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 2)
	c := x.beginUntil(x.Host("h1"), castBytes/3)
	x.must(c.send.Signal(unix.SIGSTOP))
	time.Sleep(5 * time.Second) // what the fault is
	x.must(c.send.Signal(unix.SIGCONT))
	r := c.end(30*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	x.clear()

	c = x.beginUntil(x.Host("h1"), castBytes/3)
	x.must(c.send.Signal(unix.SIGSTOP))
	stopped := time.Now()
	for _, h := range x.hosts {
		if got := c.receives[h].WaitContext(within(t, 20*time.Second)); got.Err != nil {
			t.Errorf("%s waits for ever (I3): %v", h.Name(), got)
		}
	}
	if took := time.Since(stopped); took > 14*time.Second {
		t.Errorf("the receivers gave up after %v", took)
	}
	x.must(c.send.Signal(unix.SIGCONT))
	r = c.end(20*time.Second, sum)
	r.wantSent(exitFailed, "0 of 2")
	for _, h := range x.hosts {
		r.wantFailed(h, "the sender is silent")
	}
	x.wantNoProcesses()
}

// TestFault10And62StoppedWhileJoining: one receiver stands still before it has
// joined. The rest are served after the join deadline, and it gets all when it comes.
func TestFault10And62StoppedWhileJoining(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h2 := x.Host("h2")
	c := x.beginSender("--join-timeout", "1500ms")
	// The shell is stopped before it becomes the receiver.
	late := c.receiveAs(h2, lab.Cmd{Args: []string{"sh", "-c", "kill -STOP $$; exec daisy-mcast receive --local-ip " +
		h2.Addr().String() + " --token-file " + tokenFile + " --out " + outFile}})
	for _, h := range x.others(h2) {
		c.receive(h)
	}
	c.awaitBegun()
	c.awaitData(x.Host("h1"), castBytes/2)
	x.must(late.Signal(unix.SIGCONT))
	r := c.end(40*time.Second, sum)
	r.wantSent(0, "not all receivers have joined", "3 of 3")
	r.wantDone(x.hosts...)
	if took := r.unhindered(x.others(h2)...); took > 4*time.Second {
		t.Errorf("the others took %v for what needs 2.1 s", took)
	}
}

// TestFault03And12KilledInARepairPass: the sender is killed, and in another session a
// host loses its power, while what a host missed is sent to it again.
func TestFault03And12KilledInARepairPass(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h2 := x.Host("h2")
	repairing := func() *casting {
		c := x.beginUntil(h2, castBytes/10)
		x.must(h2.FilterUDP())
		for _, h := range x.others(h2) {
			if got := c.receives[h].WaitContext(within(t, 20*time.Second)); !got.OK() {
				t.Fatalf("%s: %v", h.Name(), got)
			}
		}
		return c
	}
	c := repairing()
	x.must(c.send.Signal(unix.SIGKILL))
	r := c.end(20*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantFailed(h2, "the sender")
	x.must(h2.Heal())
	x.clear()

	c = repairing()
	x.must(h2.PowerOff())
	delete(c.receives, h2)
	r = c.end(30*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantSent(exitFailed, h2.Addr().String()+": silent", "2 of 3")
}
