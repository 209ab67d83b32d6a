package multicast

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// testRun returns n datagrams back to back, of size bytes but the last.
func testRun(n, size, last int) (run []byte, datagrams [][]byte) {
	for i := range n {
		d := bytes.Repeat([]byte{byte(i)}, size)
		if i == n-1 {
			d = d[:last]
		}
		run = append(run, d...)
		datagrams = append(datagrams, d)
	}
	return run, datagrams
}

// TestRunsArriveAsDatagrams: whatever both kernels make of a run, the datagrams
// are those that were meant.
func TestRunsArriveAsDatagrams(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	run, want := testRun(100, 1472, 500)
	for _, coalesce := range []bool{false, true} {
		for _, segment := range []bool{false, true} {
			t.Run(fmt.Sprintf("coalesce=%v,segment=%v", coalesce, segment), func(t *testing.T) {
				r := listen(t, ReceiverConfig{Group: group, Coalesce: coalesce})
				s := dial(t, group, "127.0.0.9")
				s.SetSegment(segment)
				if err := s.SendRun(run, 1472); err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(want); {
					ps, err := r.Read()
					if err != nil {
						t.Fatalf("after %d of %d datagrams: %v", i, len(want), err)
					}
					for _, p := range ps {
						if !bytes.Equal(p.Data, want[i]) {
							t.Fatalf("datagram %d came out wrong: %d bytes", i, len(p.Data))
						}
						i++
					}
				}
				r.Close()
			})
		}
	}
}

func TestCoalescedDatagramsHaveABound(t *testing.T) {
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	r := listen(t, ReceiverConfig{Group: group, Coalesce: true, MaxDatagram: 100})
	s := dial(t, group, "127.0.0.9")
	long, _ := testRun(3, 101, 101)
	if err := errors.Join(s.SendRun(long, 101), s.SendRun([]byte("short"), 5)); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, 1)[0]; got != "127.0.0.9 short" {
		t.Errorf("got %.20q", got)
	}
	if r.Oversize() == 0 {
		t.Error("the long ones are not counted")
	}
}

func TestRunsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	group := netip.AddrPortFrom(testGroup, port.Free(t))
	r := listen(t, ReceiverConfig{Group: group, Coalesce: true, Stamp: true})
	s := dial(t, group, "127.0.0.9")
	run, _ := testRun(44, 1472, 1472)
	var err error
	step := func() {
		err = errors.Join(err, s.SendRun(run, 1472))
		for n := 0; n < 44 && err == nil; {
			ps, readErr := r.Read()
			n, err = n+len(ps), readErr
		}
	}
	step() // the slice of packets grows once
	if allocs := testing.AllocsPerRun(50, step); allocs > 0 {
		t.Errorf("%v allocations a run", allocs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRuns(b *testing.B) {
	group := netip.AddrPortFrom(testGroup, port.Free(b))
	r := listen(b, ReceiverConfig{Group: group, Coalesce: true})
	s := dial(b, group, "127.0.0.9")
	run, _ := testRun(44, 1472, 1472)
	b.ReportAllocs()
	b.SetBytes(int64(len(run)))
	for b.Loop() {
		if err := s.SendRun(run, 1472); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < 44; {
			ps, err := r.Read()
			if err != nil {
				b.Fatal(err)
			}
			n += len(ps)
		}
	}
}

// TestStampsTellWhenAndHow: what waits in the socket's buffer gets older, and marks
// are seen.
func TestStampsTellWhenAndHow(t *testing.T) {
	for _, coalesce := range []bool{false, true} {
		group := netip.AddrPortFrom(testGroup, port.Free(t))
		r := listen(t, ReceiverConfig{Group: group, Coalesce: coalesce, Stamp: true})
		s := dial(t, group, "127.0.0.9")
		awaitStamps(t, r, s)
		begun := time.Now()
		run, _ := testRun(3, 100, 50)
		if err := s.SendRun(run, 100); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetsockoptInt(s.sock.fd, unix.IPPROTO_IP, unix.IP_TOS, 3); err != nil {
			t.Fatal(err)
		}
		if err := s.SendRun(run[:100], 100); err != nil {
			t.Fatal(err)
		}
		for sent := time.Now(); time.Since(sent) < 5*time.Millisecond; { // a scheduler's tick would do, a sleep is as long as it likes
		}
		var got []Packet
		for len(got) < 4 {
			ps, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ps...)
		}
		read := time.Now()
		for i, p := range got {
			if p.Marked != (i == 3) {
				t.Errorf("coalesce %v: packet %d: marked is %v", coalesce, i, p.Marked)
			}
			if age := read.Sub(p.At); age < time.Millisecond || p.At.Before(begun.Add(-time.Millisecond)) {
				t.Errorf("coalesce %v: packet %d is %v old", coalesce, i, age)
			}
		}
	}
}

// awaitStamps waits until the kernel stamps what comes to r: it begins to when the first
// socket of the machine has asked for it, but by a worker of its own, which a busy machine
// may keep waiting (net_enable_timestamp in Linux). Until then a packet gets its stamp
// when it is read.
func awaitStamps(t *testing.T, r *Receiver, s *Sender) {
	t.Helper()
	const old = 3 * time.Millisecond
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		run, _ := testRun(1, 100, 100)
		if err := s.SendRun(run, 100); err != nil {
			t.Fatal(err)
		}
		time.Sleep(old)
		ps, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(ps[0].At) >= old/2 {
			return
		}
	}
	t.Fatal("the kernel stamps nothing")
}
