package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestFault28SlowDisk: a host that writes at half the median's rate or more slows the
// group to its own, as any slowest host does; one that pauses brakes it for a moment;
// only one under half of what the others get is detached. Print it with:
//
//	go test ./pkg/sim -run SlowDisk -v
func TestFault28SlowDisk(t *testing.T) {
	t.Parallel()
	const size = 384 * mb
	const buffers = 57 * 1099776 // bytes of the host's memory
	_, rest := withOne(4, Host{})
	for _, tt := range []struct {
		name   string
		host   Host
		rest   time.Duration // what is due for the rest; 0: what it takes without the fault
		within float64       // of it
		isOff  bool
	}{
		{"60 %", Host{Disk: gigabit * 6 / 10}, (gigabit * 6 / 10).Time(size - buffers), 1.12, false},
		{"80 %", Host{Disk: gigabit * 8 / 10}, (gigabit * 8 / 10).Time(size - buffers), 1.12, false},
		{"a tenth", Host{Disk: gigabit / 10}, 0, 1.05, true},
		{"1 MB/s", Host{Disk: 8 * pace.Mbps}, 0, 1.05, true},
		{"pauses for 300 ms", Host{Disk: 10 * gigabit, DiskStopAt: time.Second, DiskContinueAt: 1300 * time.Millisecond}, 0, 1.02, false},
		{"pauses for 600 ms", Host{Disk: 10 * gigabit, DiskStopAt: time.Second, DiskContinueAt: 1600 * time.Millisecond}, 0, 1.10, false},
		{"pauses for 1.5 s", Host{Disk: 10 * gigabit, DiskStopAt: time.Second, DiskContinueAt: 2500 * time.Millisecond}, 0, 1.05, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts, _ := withOne(4, tt.host)
			r := Run(Config{Seed: 1, Hosts: hosts, Size: size, TraceEvery: 100 * time.Millisecond})
			due := tt.rest
			if due == 0 {
				due = Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: size}).LastDone()
			}
			h, last := r.Hosts[0], r.LastDone(rest...)
			t.Logf("%-18s the rest %.2f s of %.2f; it %.2f s, detached %d times, %v; %d packets found no room; egress %.3f",
				tt.name, last.Seconds(), due.Seconds(), h.DoneAt.Seconds(), h.Detached, h.Reason, h.Counters.NoRoom, 1+r.Overhead())
			mustFinish(t, tt.name, r)
			if last > time.Duration(float64(due)*tt.within) {
				t.Errorf("the rest took %v, %v are due", last, due)
			}
			if isOff := h.Detached > 0 || h.IsAlone; isOff != tt.isOff || isOff && h.Reason != wire.Behind {
				t.Errorf("it was detached: %v, %v", isOff, h.Reason)
			}
			if testing.Verbose() && t.Failed() {
				for _, p := range r.Trace {
					t.Logf("%v %v %s", p.At, p.Rate, p.State)
				}
			}
		})
	}
}

// TestFault28DiskStops: hosts whose disks take nothing for 3 s go on within a second or
// so of having room again, whoever waits for them.
func TestFault28DiskStops(t *testing.T) {
	t.Parallel()
	const size = 384 * mb
	const stop, isBack = time.Second, 4 * time.Second
	pausing := Host{Disk: 10 * gigabit, DiskStopAt: stop, DiskContinueAt: isBack}
	undisturbed := Run(Config{Seed: 1, Hosts: Same(4, Faults{}), Size: size}).LastDone()
	for _, slow := range []transfer.SlowPolicy{transfer.Detach, transfer.Wait, transfer.Drop} {
		for _, n := range []int{1, 2, 4} { // hosts of four that pause
			t.Run(fmt.Sprintf("%v, %d of 4", slow, n), func(t *testing.T) {
				t.Parallel()
				hosts := Same(4, Faults{})
				for i := range n {
					hosts[i] = pausing
				}
				r := Run(Config{Seed: 1, Hosts: hosts, Size: size, Slow: slow, Limit: time.Minute})
				t.Logf("done after %v, %v are due without the pause; egress %.3f", r.LastDone(), undisturbed, 1+r.Overhead())
				if !r.Finished {
					t.Fatal("it did not end")
				}
				for i, h := range r.Hosts {
					isDropped := slow == transfer.Drop && i < n && n < 4
					if (h.DoneAt == 0) != isDropped || n == 4 && h.Detached > 0 {
						t.Errorf("host %d: %+v", i, h)
					}
				}
				// What is lost of the link's time is the pause, less what fits into
				// memory, and the way back up; of one that is detached, no more.
				if most := undisturbed + isBack - stop + 1500*time.Millisecond; r.LastDone() > most {
					t.Errorf("it took %v, at most %v are due", r.LastDone(), most)
				}
			})
		}
	}
	t.Run("the only one", func(t *testing.T) {
		r := Run(Config{Seed: 1, Hosts: []Host{pausing}, Size: size, Limit: time.Minute})
		if most := undisturbed + isBack - stop + 1500*time.Millisecond; !r.Finished || r.LastDone() == 0 || r.LastDone() > most {
			t.Errorf("it took %v, at most %v are due; %+v", r.LastDone(), most, r.Hosts[0])
		}
	})
}

// TestNoRoomIsMadeByRepairs: a host whose memory is full of segments that lack something
// makes room only by what completes them. It gets that although it is behind, so that
// after a pause of its disk it keeps up again, and is not detached with a memory that
// stays full: then all the rest would have to be sent again.
func TestNoRoomIsMadeByRepairs(t *testing.T) {
	t.Parallel()
	const rate = 5 * pace.Gbps
	hosts, _ := withOne(2, Host{Pool: 12, Disk: 2 * rate, DiskStopAt: time.Second, DiskContinueAt: 1100 * time.Millisecond})
	r := Run(Config{Seed: 1, Hosts: hosts, Size: uint64(rate * 3), Port: Port{Rate: rate, Queue: 1 << 20}})
	mustFinish(t, "a pause", r)
	h, best := r.Hosts[0], linkTime(r, rate)
	t.Logf("took %v, the link %v; refused %d of %d; %+v", r.LastDone(), best, h.Counters.NoRoom, r.Sent, h)
	if h.Counters.NoRoom == 0 {
		t.Error("it always had room")
	}
	if h.Detached > 0 || r.LastDone() > best*3/2 {
		t.Errorf("took %v, the link %v: %+v", r.LastDone(), best, h)
	}
}
