package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// TestBedBRate: from the start to 95 % of the link's rate in half a second (2 s at 10
// Mb/s), without a flag; after it no packet is lost at the port. Then, with 1 % of
// loss at each host, the same rate.
//
// It measures what leaves the queue of one port, each 10 ms, from the kernel's
// counters; the start is when the program says that it sends. The tests of this file
// are not parallel: what they measure is time.
func TestBedBRate(t *testing.T) {
	for _, tt := range []struct {
		mbit   int
		length time.Duration // at the link's rate
		limit  time.Duration
	}{
		{10, 3 * time.Second, 2 * time.Second},
		{100, 1500 * time.Millisecond, 500 * time.Millisecond},
		{300, 1500 * time.Millisecond, 500 * time.Millisecond},
		{1000, 1200 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d Mb per s", tt.mbit), func(t *testing.T) {
			b := newBedB(t, tt.mbit, castConfig{Hosts: 2})
			sum := b.put(b.payload(tt.length))
			b.measured(func() (wrong []string) {
				r, l := b.run(sum)
				r.wantSent(0)
				r.wantDone(b.hosts...)
				began := r.began.time()
				l.plot(t, began, b.link)
				found, end := began.Add(tt.limit), l.until(.98)
				reached, mean, drops := l.reached(began, .95*b.link), l.rate(found, end)/b.link, l.drops(found)
				t.Logf("%d Mb/s: 95 %% of the rate after %v; from %v on %.3f on average; dropped %d, of these %d after that",
					tt.mbit, reached.Round(time.Millisecond), tt.limit, mean, l.drops(l[0].At), drops)
				if reached > tt.limit {
					wrong = append(wrong, fmt.Sprintf("95 %% of the link's rate after %v, %v are due", reached, tt.limit))
				}
				if mean < rateFloor {
					wrong = append(wrong, fmt.Sprintf("%.3f of the link's rate on average, %.2f are due", mean, rateFloor))
				}
				if drops > 0 {
					wrong = append(wrong, fmt.Sprintf("%d packets were dropped at the port after the start-up", drops))
				}
				if tt.mbit == 100 {
					wrong = append(wrong, b.slowerWithLoss(sum, l, began)...)
				}
				return wrong
			})
		})
	}
}

// rateFloor is what the mean rate after the start-up has to be of the link's. The
// simulation demands .95; the lab's processes share a machine with others.
const rateFloor = .9

// slowerWithLoss says what is wrong with a run at 1 % loss, against one without: loss
// costs the bytes that repair it, and no rate.
func (b *bedB) slowerWithLoss(sum [32]byte, plain timeline, began time.Time) (wrong []string) {
	b.t.Helper()
	for _, h := range b.hosts {
		b.must(h.Lose(1))
	}
	r, l := b.run(sum)
	r.wantSent(0)
	r.wantDone(b.hosts...)
	for _, h := range b.hosts {
		b.must(h.Heal())
	}
	lost := r.began.time()
	const share = .98 // what comes last is for who lacks it
	without := plain.until(share).Sub(began).Seconds() / float64(plain.at(plain.until(share)).Bytes-plain[0].Bytes)
	with := l.until(share).Sub(lost).Seconds() / float64(l.at(l.until(share)).Bytes-l[0].Bytes)
	bytes := float64(l[len(l)-1].Bytes-l[0].Bytes) / float64(plain[len(plain)-1].Bytes-plain[0].Bytes)
	b.t.Logf("1 %% lost: %.3f of the time a byte needs without, %.3f of the bytes", with/without, bytes)
	if with > 1.05*without {
		wrong = append(wrong, fmt.Sprintf("with 1 %% loss each byte took %.3f times as long", with/without))
	}
	if bytes > 1.05 { // 1 % for each of two hosts, and what the last packets cost
		wrong = append(wrong, fmt.Sprintf("1 %% loss cost %.3f times the bytes", bytes))
	}
	return wrong
}

// TestBedBMaxRateAndDSCP: --max-rate caps what leaves, and --dscp says the packets'
// class without taking away that they may be marked.
func TestBedBMaxRateAndDSCP(t *testing.T) {
	b := newBedB(t, 200, castConfig{Hosts: 2})
	h1 := b.hosts[0]
	const expedited = 46
	for name, match := range map[string]string{
		"all":   "udp dport " + nativePort,
		"class": fmt.Sprintf("udp dport %s ip dscp %d ip ecn ect0", nativePort, expedited),
	} {
		b.must(h1.Count(name, match))
	}
	const most = 40e6 / 8
	sum := b.put(5 << 20) // 1.1 s at 40 Mb/s
	b.measured(func() (wrong []string) {
		r, l := b.run(sum, "--max-rate", "40M", "--dscp", fmt.Sprint(expedited))
		r.wantSent(0)
		r.wantDone(b.hosts...)
		fastest, mean := l.fastest(l[0].At), l.rate(r.began.time().Add(200*time.Millisecond), l.until(.98))
		t.Logf("--max-rate 40M: %.1f Mb/s on average, %.1f in the fastest 100 ms", mean*8/1e6, fastest*8/1e6)
		// One burst may fall into a window at both of its ends.
		if fastest > 1.05*most+2*12*frameBytes/.1 || mean > 1.01*most || mean < rateFloor*most {
			wrong = append(wrong, fmt.Sprintf("%.2f Mb/s on average and %.2f in the fastest 100 ms at --max-rate 40M", mean*8/1e6, fastest*8/1e6))
		}
		return wrong
	})
	all, class := b.counted(h1, "all"), b.counted(h1, "class")
	if all.Packets < 3000 || class != all {
		t.Errorf("of %d packets %d came as class %d with ECT(0)", all.Packets, class.Packets, expedited)
	}
}

func (x *cast) counted(h *lab.Host, name string) lab.Traffic {
	x.t.Helper()
	c, err := h.Counted(name)
	x.must(err)
	return c
}

// TestBedBMarks: a switch marks what is beyond 40 Mb/s, on a way that would take 100.
// The rate settles at the marks, long before anything is lost.
func TestBedBMarks(t *testing.T) {
	b := newBedB(t, 100, castConfig{Hosts: 2})
	const marked = 3300 * frameBytes // bytes a second, 40 Mb/s
	b.must(b.Switch(lab.Management).MarkOver("deploy", marked/frameBytes))
	h1 := b.hosts[0]
	b.must(h1.Count("all", "udp dport "+nativePort))
	b.must(h1.Count("ce", "udp dport "+nativePort+" ip ecn ce"))
	sum := b.put(10 << 20) // 2.2 s at 40 Mb/s
	b.measured(func() (wrong []string) {
		all0, ce0 := b.counted(h1, "all"), b.counted(h1, "ce")
		r, l := b.run(sum)
		r.wantSent(0)
		r.wantDone(b.hosts...)
		began := r.began.time()
		l.plot(t, began, marked)
		mean, drops := l.rate(began.Add(500*time.Millisecond), l.until(.98)), l.drops(l[0].At)
		all, ce := b.counted(h1, "all").Packets-all0.Packets, b.counted(h1, "ce").Packets-ce0.Packets
		t.Logf("marks beyond 40 Mb/s: %.1f Mb/s on average; %d of %d packets marked, %d dropped", mean*8/1e6, ce, all, drops)
		if mean < .75*marked || mean > 1.1*marked {
			wrong = append(wrong, fmt.Sprintf("%.1f Mb/s on average where marks begin at 40", mean*8/1e6))
		}
		if drops > 0 {
			wrong = append(wrong, fmt.Sprintf("%d packets were dropped: marks should brake before", drops))
		}
		if ce == 0 || ce > all/5 {
			wrong = append(wrong, fmt.Sprintf("%d packets of %d were marked", ce, all))
		}
		return wrong
	})
}
