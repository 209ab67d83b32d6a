package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

const castBytes = 24 << 20 // two seconds at 100 Mb/s

// TestFault01SenderKilledBeforeTheStart: receivers end soon after the sender, and
// those that come when it is gone by their deadline. What was tried leaves nothing
// that a second try minds.
func TestFault01SenderKilledBeforeTheStart(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3})
	sum := x.put(4 << 20)
	c := x.beginSender()
	early := c.receive(x.Host("h1"))
	x.must(x.sender.AwaitListener(within(t, 5*time.Second), x.sender.Addr().String()+":"+nativePort))
	c.awaitData(x.Host("h1"), 1) // a canary: it is in
	x.must(c.send.Signal(unix.SIGKILL))
	begun := time.Now()
	late := c.receive(x.Host("h2"), "--connect-timeout", "2s")
	early.Wait()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the receiver noticed after %v", took)
	}
	late.Wait()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the late receiver gave up after %v, not 2 s", took)
	}
	r := c.end(10*time.Second, sum)
	r.wantFailed(x.Host("h1"), "sender")
	r.wantFailed(x.Host("h2"), "reaching the sender")
	x.wantNoProcesses()
	x.calm(sum, x.hosts...)
}

// TestFault02And07KilledWhileSending: a receiver is killed, comes back while the
// session lasts and gets all; then the sender is, and its receivers end within
// seconds, without a file.
func TestFault02And07KilledWhileSending(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")

	c := x.beginUntil(h2, castBytes/3)
	first := c.receives[h2]
	x.must(first.Signal(unix.SIGKILL))
	if code := first.Wait().Code; code != 137 {
		t.Errorf("exit code %d of what was killed", code)
	}
	c.receive(h2) // over the part that the first left
	r := c.end(60*time.Second, sum)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.others(h2)...)

	x.clear()
	c = x.beginUntil(h2, castBytes/3)
	killed := time.Now()
	x.must(c.send.Signal(unix.SIGKILL))
	r = c.end(30*time.Second, sum)
	if took := time.Since(killed); took > 4*time.Second {
		t.Errorf("the receivers noticed after %v", took)
	}
	for _, h := range x.hosts {
		r.wantFailed(h, "the sender")
	}
	x.wantNoProcesses()
}

// TestFault02And08Resumed: the sender is killed, and one receiver, without a word, too.
// Another session has the receivers hold, by their journals, what they got from the
// first, but for what was spoiled meanwhile, and sends only the rest.
func TestFault02And08Resumed(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h1, h2 := x.Host("h1"), x.Host("h2")
	c := x.beginUntil(h2, castBytes*6/10)
	x.must(c.receives[h2].Signal(unix.SIGKILL))
	x.must(c.send.Signal(unix.SIGKILL))
	r := c.end(30*time.Second, sum)
	r.wantFailed(h1, "the sender", "resumable", outFile+".part")
	x.must(h1.Shell(t.Context(), "printf spoiled | dd of="+outFile+".part bs=1 seek=5000 conv=notrunc status=none"))

	c = x.begin(x.hosts)
	r = c.end(30*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	for _, h := range x.hosts {
		if got := r.got[h]; !strings.Contains(got.Stderr, "resumed: ") {
			t.Errorf("%s did not resume: %v", h.Name(), got)
		}
		if h.Exists(outFile+".part") || h.Exists(outFile+".part.journal") {
			t.Errorf("%s kept what it does not need any more", h.Name())
		}
	}
	if !strings.Contains(r.got[h1].Stderr, "not what it was") {
		t.Errorf("the spoiled segment was not told: %v", r.got[h1])
	}
	if packets, _, _, _ := r.figures(); packets > castBytes/1432*6/10 {
		t.Errorf("%d packets were sent again of %d, and half were there", packets, castBytes/1432)
	}

	// Other content of the same size: nothing of a journal is believed.
	x.clear()
	c = x.beginUntil(h2, castBytes/2)
	x.must(c.send.Signal(unix.SIGTERM))
	c.end(10*time.Second, sum)
	x.must(x.sender.Shell(t.Context(), "tr a b < "+payloadFile+" > /root/other && mv /root/other "+payloadFile))
	other, err := digestOf(x.sender, payloadFile)
	x.must(err)
	if other == sum {
		t.Fatal("the content is the same")
	}
	c = x.begin(x.hosts)
	r = c.end(30*time.Second, other)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	x.wantNoProcesses()
}

// TestFault04SenderKilledBeforeTheLastResult: who has finished keeps it.
func TestFault04SenderKilledBeforeTheLastResult(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/2)
	x.must(c.receives[h2].Signal(unix.SIGSTOP))
	for _, h := range x.others(h2) {
		if r := c.receives[h].WaitContext(within(t, 20*time.Second)); !r.OK() {
			t.Errorf("%s: %v", h.Name(), r)
		}
	}
	x.must(c.send.Signal(unix.SIGKILL))
	x.must(c.receives[h2].Signal(unix.SIGCONT))
	r := c.end(20*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantFailed(h2, "the sender")
	x.wantNoProcesses()
}

// TestFault05SenderInterrupted: Ctrl-C names who has not got all, and leaves no
// receiver behind.
func TestFault05SenderInterrupted(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 2)
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		c := x.beginUntil(x.Host("h1"), castBytes/4)
		x.must(c.send.Signal(sig))
		r := c.end(10*time.Second, sum)
		r.wantSent(exitInterrupted, "interrupted", x.Host("h1").Addr().String()+":", x.Host("h2").Addr().String()+":")
		for _, h := range x.hosts {
			r.wantFailed(h, "interrupted")
		}
	}
	x.wantNoProcesses()
}

// TestFault05And06ReceiverInterruptedOrAbsent: one receiver is interrupted, one
// never comes. The third has all.
func TestFault05And06ReceiverInterruptedOrAbsent(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	h1, h2 := x.Host("h1"), x.Host("h2")
	c := x.begin([]*lab.Host{h1, h2}, "--join-timeout", "2s")
	c.awaitData(h2, castBytes/4)
	x.must(c.receives[h2].Signal(unix.SIGTERM))
	r := c.end(30*time.Second, sum)
	r.wantDone(h1)
	if code := r.got[h2].Code; code != exitInterrupted {
		t.Errorf("the interrupted receiver: %v", r.got[h2])
	}
	r.wantSent(exitFailed, "not all receivers have joined", "did not join", h2.Addr().String()+": interrupted", "1 of 3")
	x.wantNoProcesses()
}

// TestFault10StoppedForAWhile: five seconds later it catches up.
func TestFault10StoppedForAWhile(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	x.must(c.receives[h2].Signal(unix.SIGSTOP))
	time.Sleep(5 * time.Second) // what the fault is
	x.must(c.receives[h2].Signal(unix.SIGCONT))
	r := c.end(40*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.others(h2)...)
}

// TestFault11And12GoneWithoutAWord: one host is frozen for ever, one loses its
// power. Both are given up after the silence limit, and cost the others nothing.
func TestFault11And12GoneWithoutAWord(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 5)
	without := x.calm(sum, x.hosts...)
	frozen, off := x.Host("h2"), x.Host("h3")
	c := x.beginUntil(frozen, castBytes/3)
	x.must(frozen.Freeze())
	x.must(off.PowerOff())
	gone := time.Now()
	dead := c.receives[frozen]
	delete(c.receives, frozen)
	delete(c.receives, off)
	r := c.end(40*time.Second, sum)
	if took := time.Since(gone); took > 20*time.Second {
		t.Errorf("the sender gave them up after %v", took)
	}
	rest := []*lab.Host{x.Host("h1"), x.Host("h4"), x.Host("h5")}
	r.wantDone(rest...)
	r.wantNotHeldUp(without, rest...)
	r.wantSent(exitFailed, frozen.Addr().String()+": silent", off.Addr().String()+": silent", "3 of 5")

	// The frozen one ends by itself once it can.
	x.must(frozen.Thaw())
	if got := dead.WaitContext(within(t, 15*time.Second)); got.Code != exitFailed {
		t.Errorf("the frozen receiver: %v", got)
	}
}

// TestFault15And16LittleMemoryOrTime: one host's receiver has a twentieth of a
// processor, another's 64 MiB of memory. Each has the stream, or fails alone.
func TestFault15And16LittleMemoryOrTime(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 4)
	without := x.calm(sum, x.hosts...)
	slow, small := x.Host("h2"), x.Host("h3")
	c := x.beginSender()
	c.receive(x.Host("h1"))
	c.receive(x.Host("h4"))
	c.receiveConfined(slow, "cpu", "cpu.cfs_quota_us=5000", "cpu.max=5000 100000", runNowAndThen)
	c.receiveConfined(small, "memory", "memory.limit_in_bytes=67108864", "memory.max=67108864", killWhenLarge)
	r := c.end(90*time.Second, sum)
	r.wantDone(x.Host("h1"), x.Host("h4"))
	r.wantNotHeldUp(without, x.Host("h1"), x.Host("h4"))
	if all := r.got[slow].OK() && r.got[small].OK(); all != (r.sent.Code == 0) {
		t.Errorf("the sender does not say what the receivers say: %v", r.sent)
	}
}

// receiveConfined starts a receiver under a limit of the kernel's, set by a file of
// version 1 of the cgroups or of version 2. Where the machine lets nobody set one, as in
// a container, byHand does what the kernel would.
func (c *casting) receiveConfined(h *lab.Host, controller, v1, v2 string, byHand func(*lab.Process)) {
	c.t.Helper()
	file1, value1, _ := strings.Cut(v1, "=")
	file2, value2, _ := strings.Cut(v2, "=")
	r := h.Run(within(c.t, 10*time.Second), "sh", "-c", fmt.Sprintf(`
confine() {
	[ -e $1/cgroup.procs ] && mkdir $1/confined && [ -e $1/confined/$2 ] && echo "$3" >$1/confined/$2 &&
		sh -c "echo \$\$ >$1/confined/cgroup.procs" && echo $1/confined
}
confine /sys/fs/cgroup/%s %s '%s' || confine /sys/fs/cgroup %s '%s'`, controller, file1, value1, file2, value2))
	if !r.OK() {
		c.t.Logf("no control of a process's %s here: by hand", controller)
		go byHand(c.receive(h))
		return
	}
	c.receiveAs(h, lab.Cmd{Args: []string{"sh", "-c", fmt.Sprintf(
		"echo $$ >%s/cgroup.procs && exec daisy-mcast receive --local-ip %s --token-file %s --out %s",
		strings.TrimSpace(r.Stdout), h.Addr(), tokenFile, outFile)}})
}

// runNowAndThen lets a process run for 5 ms of each 100.
func runNowAndThen(p *lab.Process) {
	for {
		_ = p.Signal(unix.SIGSTOP) // it may have ended
		select {
		case <-p.Done():
			return
		case <-time.After(95 * time.Millisecond):
		}
		_ = p.Signal(unix.SIGCONT)
		time.Sleep(5 * time.Millisecond)
	}
}

// killWhenLarge ends a process that has more than 64 MiB in memory.
func killWhenLarge(p *lab.Process) {
	for {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
		if f := strings.Fields(string(raw)); len(f) > 1 {
			if pages, err := strconv.Atoi(f[1]); err == nil && pages*os.Getpagesize() > 64<<20 {
				_ = p.Signal(unix.SIGKILL)
			}
		}
		select {
		case <-p.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestFault17TooFewFiles: a sender that may open 64 files and is to serve 200
// receivers says so before it begins.
func TestFault17TooFewFiles(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 1})
	x.put(1000)
	r := x.sender.Run(within(t, 20*time.Second), "sh", "-c", "ulimit -n 64; exec daisy-mcast send --local-ip "+
		x.sender.Addr().String()+" --receivers 200 --join-timeout 2s --token-file "+tokenFile+" "+payloadFile)
	if r.Code != exitUsage || !strings.Contains(r.Stderr, "264 open files") {
		t.Errorf("want a refusal with the number that is needed: %v", r)
	}
}
