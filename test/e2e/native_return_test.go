package e2e

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// connectionRule puts a rule for the packets of a host's control connection, and of no
// later one, into force.
func connectionRule(t *testing.T, h *lab.Host, rules string) {
	t.Helper()
	r := h.RunCmd(within(t, 10*time.Second), lab.Cmd{Args: []string{"ss", "-Htn", "state", "established", "dport", "=", ":" + nativePort}})
	fields := strings.Fields(r.Stdout)
	if !r.OK() || len(fields) < 3 {
		t.Fatalf("looking for the control connection: %v", r)
	}
	_, port, _ := strings.Cut(fields[2], ":")
	r = h.RunCmd(within(t, 10*time.Second), lab.Cmd{Args: []string{"nft", "-f", "-"},
		Stdin: strings.NewReader(strings.ReplaceAll(rules, "PORT", port))})
	if !r.OK() {
		t.Fatal(r)
	}
}

// TestFault39OneReset: both ends of a control connection get a TCP reset from the
// network. The receiver connects again, once, and has all; nobody starts again.
func TestFault39OneReset(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	connectionRule(t, h2, "table inet rst { chain i { type filter hook input priority 0;"+
		" tcp dport PORT tcp flags & rst == rst accept; tcp dport PORT reject with tcp reset; }; }\n")
	got := c.end(40*time.Second, sum)
	got.wantSent(0)
	got.wantDone(x.hosts...)
	got.wantNotHeldUp(without, x.others(h2)...)
	if !strings.Contains(got.got[h2].Stderr, "connecting again") {
		t.Errorf("the connection was not reset: %v", got.got[h2])
	}
	if _, _, _, single := got.figures(); single > castBytes/1432/20 {
		t.Errorf("%d packets were sent to the host alone", single)
	}
	x.wantNoProcesses()
}

// TestFault12BackBeforeItIsMissed: a host goes without a word, as at a power cut, and
// receives again at once, when the sender still counts on the first connection and all
// places are taken. It gets what it missed, long before the ten seconds of silence.
func TestFault12BackBeforeItIsMissed(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	c := x.beginUntil(h2, castBytes/3)
	connectionRule(t, h2, "table inet dead { chain i { type filter hook input priority 0; tcp dport PORT drop; };"+
		" chain o { type filter hook output priority 0; tcp sport PORT drop; }; }\n")
	first := c.receives[h2]
	x.must(first.Signal(unix.SIGKILL))
	first.Wait()
	c.receive(h2)
	got := c.end(40*time.Second, sum)
	got.wantSent(0, "3 of 3", "connected again")
	got.wantDone(x.hosts...)
	got.wantNotHeldUp(without, x.others(h2)...)
	if took := got.took[h2]; took > 10*time.Second {
		t.Errorf("it has all after %v: the silence was waited for", took)
	}
	x.wantNoProcesses()
}
