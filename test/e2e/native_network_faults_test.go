package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// nft adds a rule of nft(8) to a chain on all packets that a host's first interface
// lets in or out, until the host is healed.
func (x *cast) nft(h *lab.Host, name, hook, rule string) {
	x.t.Helper()
	text := fmt.Sprintf("table netdev t_%[1]s { chain c { type filter hook %[2]s device \"%[3]s\" priority 0; %[4]s; }; }\n",
		name, hook, h.Device(), rule)
	r := h.RunCmd(within(x.t, 10*time.Second), lab.Cmd{Args: []string{"nft", "-f", "-"}, Stdin: strings.NewReader(text)})
	if !r.OK() {
		x.t.Fatal(r)
	}
}

// figures reads the packets and the repeated of what the sender printed.
func (r castResult) figures() (packets, parity, again, single int) {
	r.t.Helper()
	m := regexp.MustCompile(`; (\d+) packets, of which (\d+) parity and (\d+) again; (\d+) to single hosts`).FindStringSubmatch(r.sent.Stderr)
	if m == nil {
		r.t.Fatalf("no figures: %v", r.sent)
	}
	n := make([]int, 4)
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	return n[0], n[1], n[2], n[3]
}

// wantEgress checks that repair has not turned into a copy per host: all that left,
// to the group and to single hosts, is no more than factor times the stream.
func (r castResult) wantEgress(size int, factor float64) {
	r.t.Helper()
	packets, _, _, single := r.figures()
	if sent, once := packets+single, (size+1431)/1432; float64(sent) > factor*float64(once) {
		r.t.Errorf("%d packets were sent of a stream of %d, want at most %.2f times that", sent, once, factor)
	}
}

// TestFault29IGMPBlackHoleNative: the switch never hears of one host's join.
func TestFault29IGMPBlackHoleNative(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit", Snooping: true})
	x.must(x.Host("h2").FilterIGMP())
	x.awaitSnooping(x.Host("h1"), x.Host("h2"))
	x.wantDeafHostServed(x.Host("h2"), (*lab.Host).FilterIGMP)
}

// awaitSnooping waits until the switch no longer floods, which it does until its
// querier has spoken: what one host joined does not reach the other.
func (x *cast) awaitSnooping(joins, mute *lab.Host) {
	x.t.Helper()
	group := &net.UDPAddr{IP: net.IPv4(239, 192, 77, 9), Port: 9}
	var in, out *net.UDPConn
	x.must(joins.Within(func() (err error) {
		in, err = net.ListenMulticastUDP("udp4", nil, group)
		return err
	}))
	defer in.Close()
	x.must(x.sender.Within(func() (err error) {
		out, err = net.DialUDP("udp4", &net.UDPAddr{IP: x.sender.Addr().AsSlice()}, group)
		return err
	}))
	defer out.Close()
	datagram := make([]byte, 1000)
	for deadline := time.Now().Add(20 * time.Second); ; {
		before, err := mute.Received()
		x.must(err)
		for range 100 {
			out.Write(datagram)
		}
		time.Sleep(50 * time.Millisecond)
		after, err := mute.Received()
		x.must(err)
		if after-before < 50*int64(len(datagram)) {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatal("the switch floods for ever")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestFault30NoUDPNative: one host gets none.
func TestFault30NoUDPNative(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]func(*lab.Host) error{
		"AllLost":   (*lab.Host).FilterUDP,
		"Multicast": (*lab.Host).FilterMulticast,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit"})
			x.wantDeafHostServed(x.Host("h2"), filter)
		})
	}
}

// wantDeafHostServed: who hears nothing of the group is told so, has the stream over
// TCP, and costs the others nothing.
func (x *cast) wantDeafHostServed(deaf *lab.Host, filter func(*lab.Host) error) {
	x.t.Helper()
	sum := x.put(castBytes)
	without := x.calm(sum, x.others(deaf)...) // or a switch remembers it
	x.must(filter(deaf))
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0, "no multicast received")
	r.wantDone(x.hosts...)
	wantWords(x.t, deaf.Name(), r.got[deaf].Stderr, "no multicast received")
	r.wantNotHeldUp(without, x.others(deaf)...)
	r.wantEgress(castBytes, 2.15) // once to the group, once to it
	x.wantNoProcesses()
}

// TestFault31AsymmetricLossNative: the rate is not that of the worst.
func TestFault31AsymmetricLossNative(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 4)
	without := x.calm(sum, x.hosts...)
	for i, percent := range []float64{0, 1, 5, 20} {
		x.must(x.hosts[i].Lose(percent))
	}
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	// A twentieth of loss costs a twentieth of parity, to all.
	r.wantNotHeldUp(without*107/100, x.hosts[:3]...)
	r.wantEgress(castBytes, 1.75)
}

// TestFault32UniformLossNative: slower, in proportion, and no livelock.
func TestFault32UniformLossNative(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 4)
	without := x.calm(sum, x.hosts...)
	for _, loss := range []struct{ percent, egress float64 }{{5, 1.15}, {20, 1.45}, {30, 1.85}} {
		for _, h := range x.hosts {
			x.must(h.Heal())
			x.must(h.Lose(loss.percent))
		}
		r := x.begin(x.hosts).end(60*time.Second, sum)
		r.wantSent(0)
		r.wantDone(x.hosts...)
		r.wantEgress(castBytes, loss.egress)
		r.wantNotHeldUp(time.Duration(float64(without)*loss.egress), x.hosts...)
	}
}

// TestFault33Bursts: nothing comes through for a second, twice.
func TestFault33Bursts(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3, Rate: "100mbit"})
	sum := x.put(2 * castBytes)
	c := x.begin(x.hosts)
	for range 2 {
		c.awaitData(x.Host("h1"), castBytes/3)
		for _, h := range x.hosts {
			x.must(h.FilterUDP())
		}
		time.Sleep(time.Second) // what the fault is
		for _, h := range x.hosts {
			x.must(h.Heal())
		}
	}
	r := c.end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	// Two seconds at the link's rate are lost at worst, and parity for it.
	r.wantEgress(2*castBytes, 1.65)
	if took := r.unhindered(x.hosts...); took > 13*time.Second {
		t.Errorf("%v for 4.2 seconds of data and two of silence", took)
	}
}

// TestFault34Duplicates: every other packet comes twice. They are counted and change
// nothing.
func TestFault34Duplicates(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	// On the way out of the switch: the copies do not count against the sender's rate.
	for _, h := range x.hosts {
		x.must(x.Switch(lab.Management).Exec(fmt.Sprintf(
			"table netdev dup_%[1]s { chain c { type filter hook egress device \"%[2]s\" priority 0;"+
				" udp dport %[3]s numgen random mod 100 < 50 dup to \"%[2]s\"; }; }\n",
			h.Name(), x.Switch(lab.Management).Port(h.Name()), nativePort), "nft", "-f", "-"))
	}
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	for _, h := range x.hosts {
		m := regexp.MustCompile(`(\d+) packets, (\d+) duplicates`).FindStringSubmatch(r.got[h].Stderr)
		if m == nil {
			t.Fatalf("no figures: %v", r.got[h])
		}
		packets, _ := strconv.Atoi(m[1])
		duplicates, _ := strconv.Atoi(m[2])
		if duplicates < packets*4/10 { // a copy can be copied again
			t.Errorf("%s: %d duplicates of %d packets, want half", h.Name(), duplicates, packets)
		}
		if once := (castBytes + 1431) / 1432; packets < once || packets > once+once/50 {
			t.Errorf("%s counts %d packets of %d: duplicates are among them", h.Name(), packets, once)
		}
	}
	r.wantNotHeldUp(without, x.hosts...)
	r.wantEgress(castBytes, 1.05)
}

// TestFault35Reordering: every twentieth packet goes a slower way.
func TestFault35Reordering(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 3})
	sum := x.put(castBytes)
	device := x.sender.Device()
	x.must(x.sender.Shell(t.Context(), strings.NewReplacer("DEV", device).Replace(`set -e
tc qdisc add dev DEV root handle 1: htb default 1
tc class add dev DEV parent 1: classid 1:1 htb rate 100mbit burst 64k
tc class add dev DEV parent 1: classid 1:2 htb rate 6mbit burst 2k
tc qdisc add dev DEV parent 1:1 pfifo limit 2000
tc qdisc add dev DEV parent 1:2 pfifo limit 40`)))
	without := x.calm(sum, x.hosts...)
	r := x.sender.RunCmd(within(t, 10*time.Second), lab.Cmd{Args: []string{"nft", "-f", "-"}, Stdin: strings.NewReader(
		"table inet t { chain o { type filter hook output priority 0; udp dport " + nativePort +
			" numgen random mod 100 < 5 meta priority set 0x10002; }; }\n")})
	if !r.OK() {
		t.Fatal(r)
	}
	c := x.begin(x.hosts).end(60*time.Second, sum)
	c.wantSent(0)
	c.wantDone(x.hosts...)
	c.wantNotHeldUp(without, x.hosts...)
	c.wantEgress(castBytes, 1.10) // no storm of needless repairs
	stats := x.sender.Run(within(t, 10*time.Second), "tc", "-s", "class", "show", "dev", device)
	m := regexp.MustCompile(`(?s)class htb 1:2 .*?Sent \d+ bytes (\d+) pkt`).FindStringSubmatch(stats.Stdout)
	if m == nil {
		t.Fatal(stats)
	}
	if late, _ := strconv.Atoi(m[1]); late < castBytes/1432/40 {
		t.Errorf("only %d packets went the slower way", late)
	}
}

// TestFault36Corruption: in a fiftieth of the packets that one host gets something
// has changed. The tag finds it, and the packet counts as lost.
func TestFault36Corruption(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	x.nft(h2, "corrupt", "ingress", "udp dport "+nativePort+" numgen random mod 100 < 2 @th,1600,32 set 0xdeadbeef")
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	r.wantNotHeldUp(without, x.hosts...)
	m := regexp.MustCompile(`(\d+) damaged or forged`).FindStringSubmatch(r.got[h2].Stderr)
	if m == nil || m[1] == "0" {
		t.Errorf("nothing damaged was seen: %v", r.got[h2])
	}
}

// TestFault37SmallMTU: one host's network takes no full packets, and its TCP says so, or
// something on the way does not, and nothing says so. The packets of all are made smaller
// before the data, and all hosts hear the group.
func TestFault37SmallMTU(t *testing.T) {
	for name, narrow := range map[string]string{
		"its own": "ip link set dev DEVICE mtu 1400",
		"on the way": "nft 'add table inet narrow; add chain inet narrow i { type filter hook input priority 0; };" +
			" add rule inet narrow i udp dport " + nativePort + " meta length > 1400 drop'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, sum := newSlowCast(t, 3)
			without := x.calm(sum, x.hosts...)
			h2 := x.Host("h2")
			x.must(h2.Shell(t.Context(), strings.ReplaceAll(narrow, "DEVICE", h2.Device())))
			r := x.begin(x.hosts).end(60*time.Second, sum)
			r.wantSent(0, "packets are made smaller")
			r.wantDone(x.hosts...)
			r.wantNotHeldUp(without, x.hosts...)
			if packets, _, _, single := r.figures(); single > 0 || packets > castBytes/1212*11/10 {
				t.Errorf("%d packets, %d to one host: %v", packets, single, r.sent)
			}
			if name == "its own" {
				wantWords(t, "the sender", r.sent.Stderr, "mtu=1400")
			}
		})
	}
}

// TestFault37TinyMTU: one host's network takes far less than the others need. It cannot
// hear the group, and is served over TCP; both sides name the MTU.
func TestFault37TinyMTU(t *testing.T) {
	t.Parallel()
	x, sum := newSlowCast(t, 3)
	without := x.calm(sum, x.hosts...)
	h2 := x.Host("h2")
	x.must(h2.Shell(t.Context(), "ip link set dev "+h2.Device()+" mtu 1100"))
	r := x.begin(x.hosts).end(60*time.Second, sum)
	r.wantDone(x.others(h2)...)
	r.wantNotHeldUp(without, x.others(h2)...)
	if r.got[h2].OK() != (r.sent.Code == 0) {
		t.Errorf("the sender does not say what h2 does: %v", r.sent)
	}
	wantWords(t, "h2", r.got[h2].Stderr, "full ones do not", "mtu=1100")
	wantWords(t, "the sender", r.sent.Stderr, "packets larger than its network's MTU", "mtu=1100")
}

// TestFault37SmallMTUAtTheSender: no full packet leaves at all.
func TestFault37SmallMTUAtTheSender(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 2, Rate: "100mbit"})
	sum := x.put(4 << 20)
	x.must(x.sender.Shell(t.Context(), "ip link set dev "+x.sender.Device()+" mtu 1400"))
	r := x.begin(x.hosts).end(60*time.Second, sum)
	if r.sent.Code != 0 {
		wantWords(t, "the sender", r.sent.Stderr, "MTU")
	}
	for _, h := range x.hosts {
		if r.got[h].OK() != (r.sent.Code == 0) {
			t.Errorf("%s: %v", h.Name(), r.got[h])
		}
	}
}

// TestFault38SmallSocketBuffer: a receiver that may not have more than the kernel's
// limit is stopped for a moment at a high rate. It says what overflowed and which
// setting helps, and is right all the same.
func TestFault38SmallSocketBuffer(t *testing.T) {
	t.Parallel()
	x := newCast(t, castConfig{Hosts: 2, Rate: "1gbit"})
	sum := x.put(64 << 20)
	h2 := x.Host("h2")
	c := x.beginSender()
	c.receive(x.Host("h1"))
	p := c.receiveAs(h2, lab.Cmd{Args: []string{"sh", "-c", "exec setpriv --reuid=65534 --clear-groups --inh-caps=-all " +
		"daisy-mcast receive --local-ip " + h2.Addr().String() + " --token-file - --out - <" + tokenFile + " >" + outFile}})
	c.awaitData(h2, 4<<20)
	x.must(p.Signal(unix.SIGSTOP))
	time.Sleep(200 * time.Millisecond) // 25 MB at the link's rate
	x.must(p.Signal(unix.SIGCONT))
	r := c.end(60*time.Second, sum)
	r.wantSent(0)
	r.wantDone(x.hosts...)
	wantWords(t, "h2", r.got[h2].Stderr, "net.core.rmem_max=")
}
