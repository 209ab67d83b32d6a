package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestFault46SharesWithTCP: a TCP flow through the port of one of the hosts gets a
// fair share of it, and leaves us one, whatever its congestion control. What each got
// is averaged over three seconds, once both have had one to settle. It does not run
// beside others: a TCP that is late for want of a processor gets less.
func TestFault46SharesWithTCP(t *testing.T) {
	lab.Need(t, "iperf3")
	for _, tt := range []struct {
		mbit       int
		control    string
		hosts      int     // all but the first have a port for themselves
		isFirst    bool    // TCP has the link when the session begins
		tcp, group float64 // least shares
	}{
		// Half each would be fair. Both fill a queue by turns, and who cut last has less
		// for a while: a third, and for us a quarter, who cut by 15 % for each of its 30.
		{50, "cubic", 1, false, 1. / 3, 1. / 4},
		{50, "cubic", 2, false, 1. / 3, 1. / 4},
		{50, "reno", 1, false, 1. / 3, 1. / 4},
		// BBR goes by the rate that it was seen to get, as we do: who has more keeps more.
		{50, "bbr", 1, false, 1. / 5, 1. / 5},
		// A full queue lasts for 0.1 s here: a TCP at its start leaves a host so little that it
		// would be detached as slow, were it not for its queue.
		{20, "reno", 2, false, 1. / 3, 1. / 4},
		// What our search for the rate pushes out TCP has to get again, which may take longer
		// than is measured here: it is not starved.
		{50, "cubic", 2, true, 1. / 20, 1. / 5},
	} {
		t.Run(fmt.Sprintf("%s, %d hosts, %d Mb per s, first %v", tt.control, tt.hosts, tt.mbit, tt.isFirst), func(t *testing.T) {
			needCongestionControl(t, tt.control)
			b := newBedB(t, tt.mbit, castConfig{Hosts: tt.hosts, Extra: []lab.HostConfig{{Name: "other"}}})
			b.must(b.hosts[0].Count("tcp", "tcp dport 5201"))
			b.must(b.hosts[0].Count("group", "udp dport "+nativePort))
			b.measured(func() (wrong []string) {
				tcp, group, both := b.share(tt.control, tt.isFirst)
				t.Logf("TCP %s had %.2f of the link, the group of %d %.2f", tt.control, tcp, tt.hosts, group)
				if tcp < tt.tcp {
					wrong = append(wrong, fmt.Sprintf("TCP was starved: %.2f of the link, %.2f are due", tcp, tt.tcp))
				}
				if group < tt.group {
					wrong = append(wrong, fmt.Sprintf("the group was starved: %.2f of the link, %.2f are due", group, tt.group))
				}
				if both < .85 {
					wrong = append(wrong, fmt.Sprintf("%.2f of the link were used", both))
				}
				return wrong
			})
		})
	}
}

// needCongestionControl skips where the kernel has no such TCP - with CI=true too, for
// nobody can install one.
func needCongestionControl(t *testing.T, name string) {
	t.Helper()
	_ = exec.Command("modprobe", "tcp_"+name).Run() // it may be built in, or modprobe missing
	have, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(have)), name) {
		t.Skipf("this kernel's TCP knows %s, and not %s", strings.TrimSpace(string(have)), name)
	}
}

// share sends to all while a TCP flow goes to h1, and returns both's shares of its
// port. The flow begins when the rate is found, or two seconds before all.
func (b *bedB) share(control string, isFirst bool) (tcp, group, both float64) {
	b.t.Helper()
	h1, other := b.hosts[0], b.Host("other")
	server, err := h1.Iperf(within(b.t, 10*time.Second), h1.Addr().String()+":5201")
	b.must(err)
	defer server.Stop(time.Second)
	sum := b.put(b.payload(4 * time.Second))
	stop := b.meter()
	var flow *lab.Process
	start := func(seconds string) {
		flow, err = other.Start(lab.Cmd{Args: []string{"iperf3", "--client", h1.Addr().String(), "--time", seconds,
			"--congestion", control, "--json"}})
		b.must(err)
	}
	if isFirst {
		start("8")
		time.Sleep(2 * time.Second)
	}
	c := b.begin(b.hosts)
	c.awaitBegun()
	time.Sleep(500 * time.Millisecond) // the rate is found
	if !isFirst {
		start("5")
	}
	time.Sleep(time.Second)
	from, tcp0, group0 := time.Now(), b.counted(h1, "tcp"), b.counted(h1, "group")
	time.Sleep(3 * time.Second)
	to, tcp1, group1 := time.Now(), b.counted(h1, "tcp"), b.counted(h1, "group")
	r := c.end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(b.hosts...)
	l := stop()
	l.plot(b.t, r.began.time(), b.link)
	var said struct {
		Error string `json:"error"`
	}
	result := flow.WaitContext(within(b.t, 20*time.Second))
	if err := json.Unmarshal([]byte(result.Stdout), &said); err != nil || said.Error != "" {
		b.t.Fatalf("iperf3: %v %v", err, result)
	}
	b.clear()
	span := to.Sub(from).Seconds() * b.link
	const etherHeader = 14
	wire := func(a, b lab.Traffic) float64 {
		return float64(b.Bytes-a.Bytes+etherHeader*(b.Packets-a.Packets)) / span
	}
	return wire(tcp0, tcp1), wire(group0, group1), l.rate(from, to) / b.link
}
