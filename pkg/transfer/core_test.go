package transfer

import (
	"slices"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

var coreGeometry = wire.Geometry{Payload: wire.DefaultPayload}

// A coreTest drives a sender by hand.
type coreTest struct {
	*testing.T
	*Sender
	now  time.Duration
	last wire.PacketID
}

func newCoreTest(t *testing.T, blocks, hosts int) *coreTest {
	c := &coreTest{T: t, Sender: NewSender(SenderConfig{
		Geometry: coreGeometry, Mode: wire.File, Size: uint64(blocks * coreGeometry.BlockSize()),
		Receivers: hosts, Initial: 10 * pace.Gbps,
	})}
	for i := range hosts {
		c.Join(0, HostID(i), rangeset.Set{})
	}
	c.Start(0)
	return c
}

// load reads what the sender wants.
func (c *coreTest) load() {
	for n, ok := c.NextRead(); ok; n, ok = c.NextRead() {
		c.BlockReady(c.now, n, wire.BlockPackets)
	}
}

// sendAll returns the packets that leave until there are no more, but those that
// repeat the last one to flush what is under way.
func (c *coreTest) sendAll() (ids []wire.PacketID) {
	for end := c.now + time.Second; c.now < end; {
		c.load()
		id, ok, wait := c.NextPacket(c.now)
		if ok {
			if id != c.last || c.Counter() == 1 {
				ids = append(ids, id)
			}
			c.last = id
			continue
		}
		c.now += wait
		if !c.hasPacket(c.now) {
			return ids
		}
	}
	return ids
}

func TestSenderSendsEachPacketOnceAndWhatIsLackedAgain(t *testing.T) {
	c := newCoreTest(t, 3, 2)
	count := make(map[wire.PacketID]int)
	for _, id := range c.sendAll() {
		count[id]++
	}
	if len(count) != 3*wire.BlockPackets {
		t.Fatalf("%d packets were sent, want %d", len(count), 3*wire.BlockPackets)
	}
	report := func(host HostID, deficits ...wire.Deficit) {
		c.Report(c.now, host, &wire.Report{At: c.now, Counter: c.Counter(), Counters: wire.Counters{Received: 500}, Next: 3, Deficits: deficits})
	}
	report(0, wire.Deficit{Block: 0, Packets: 2}, wire.Deficit{Block: 2, Packets: 5})
	report(1, wire.Deficit{Block: 0, Packets: 4})
	rows := make(map[wire.Block]int)
	for _, id := range c.sendAll() {
		if want := wire.ParityIndex(rows[id.Block]); id.Index != want {
			t.Errorf("row %v of block %d, want %v", id.Index, id.Block, want)
		}
		rows[id.Block]++
	}
	if rows[0] != 4 || rows[1] != 0 || rows[2] != 5 {
		t.Errorf("%v rows, want the worst deficit of each block", rows)
	}
}

// TestRowsUnderWayAreNotSentTwice: a report that was made before rows arrived asks
// for nothing new.
func TestRowsUnderWayAreNotSentTwice(t *testing.T) {
	c := newCoreTest(t, 1, 1)
	c.sendAll()
	r := wire.Report{At: time.Millisecond, Counter: c.Counter(), Next: 1, Deficits: []wire.Deficit{{Block: 0, Packets: 3}}}
	c.Report(c.now, 0, &r)
	if n := rowsIn(c.sendAll()); n != 3 {
		t.Fatalf("%d rows, want 3", n)
	}
	c.Report(c.now, 0, &r)
	if n := rowsIn(c.sendAll()); n != 0 {
		t.Errorf("%d more rows for an old report", n)
	}
	r.Counter = c.Counter()
	r.Deficits[0].Packets = 1
	c.Report(c.now, 0, &r)
	if n := rowsIn(c.sendAll()); n != 1 {
		t.Errorf("%d rows for one that was lost", n)
	}
}

func rowsIn(ids []wire.PacketID) (n int) {
	for _, id := range ids {
		if id.Index.IsParity() {
			n++
		}
	}
	return n
}

// TestFault52ImpossibleReports: what a host says of packets that were not sent, or
// blocks that do not exist, changes nothing.
func TestFault52ImpossibleReports(t *testing.T) {
	c := newCoreTest(t, 2, 1)
	c.sendAll()
	all := wire.Bitmap{}
	for i := range wire.Index(wire.BlockPackets) {
		all.Add(i)
	}
	for _, r := range []wire.Report{
		{Counter: c.Counter() + 1, Oldest: 2, Next: 2},
		{Counter: c.Counter(), Next: 9, Deficits: []wire.Deficit{{Block: 7, Packets: 9}}},
		{Counter: 0, Oldest: 0, Next: wire.MaxBlocks},
	} {
		c.Report(c.now, 0, &r)
		c.Map(c.now, 0, wire.Map{Block: 7, Missing: all})
		c.Map(c.now, 5, wire.Map{Block: 0, Missing: all})
	}
	c.Report(c.now, 9, &wire.Report{Counter: c.Counter()})
	if n := rowsIn(c.sendAll()); n != 0 || c.Finished() {
		t.Errorf("%d rows, finished %v", n, c.Finished())
	}
}

// TestFault57FetchIsBounded: who asks for everything for ever gets what fits.
func TestFault57FetchIsBounded(t *testing.T) {
	c := newCoreTest(t, 100, 1)
	for range 100 {
		var f wire.Fetch
		f.Packets.Add(0, wire.MaxPackets)
		c.Fetch(c.now, 0, f.Packets)
	}
	if h := c.hosts[0]; h.owed > maxFetch || len(h.fetch) > maxFetch {
		t.Errorf("%d packets in %d ranges are owed, at most %d are due", h.owed, len(h.fetch), maxFetch)
	}
}

// TestFault48FetchAtTheEnd: repairs leave the rate to the group while some host lacks what
// it is sent, and do not wait for anybody after that.
func TestFault48FetchAtTheEnd(t *testing.T) {
	c := newCoreTest(t, 8, 2)
	c.sendAll()
	whole := &wire.Report{Counter: c.Counter(), Counters: wire.Counters{Received: c.Counter()}, Oldest: c.total, Next: c.total}
	fetch := func() (n int) {
		var f wire.Fetch
		f.Packets.Add(0, wire.BlockPackets)
		c.Fetch(c.now, 0, f.Packets)
		for _, _, ok, _ := c.NextRepair(c.now); ok; _, _, ok, _ = c.NextRepair(c.now) {
			n++
		}
		return n
	}
	c.Report(c.now, 0, whole)
	if n := fetch(); n == 0 || n == wire.BlockPackets {
		t.Errorf("%d repairs at once while the other host lacks all", n)
	}
	c.Report(c.now, 1, whole)
	if n := fetch(); n < wire.BlockPackets {
		t.Errorf("%d repairs at once when all hosts have all", n)
	}
}

// slowReport is what a host tells that holds the first half of 8 blocks and has seen
// what was sent before a counter.
func (c *coreTest) slowReport(counter uint64) {
	r := &wire.Report{Counter: counter, Counters: wire.Counters{Received: counter}, Oldest: 4, Next: 8, At: c.now}
	for n := wire.Block(4); n < 8; n++ {
		r.Deficits = append(r.Deficits, wire.Deficit{Block: n, Packets: 9})
	}
	c.Report(c.now, 1, r)
}

// TestFullBufferIsNoLoss: a host that empties its socket's buffer slower than packets came
// is sent nothing again that may be in there: neither when nothing was sent for a while, nor
// when it is served after the others.
func TestFullBufferIsNoLoss(t *testing.T) {
	for _, isDetached := range []bool{false, true} {
		c := newCoreTest(t, 8, 2)
		c.sendAll()
		if isDetached {
			c.hosts[1].reason = wire.Slow
			c.detach(c.now, c.hosts[1])
		}
		c.Report(c.now, 0, &wire.Report{Counter: c.Counter(), Counters: wire.Counters{Received: c.Counter()}, Oldest: c.total, Next: c.total})
		c.Done(c.now, 0)
		if h := c.hosts[1]; h.state != attached || (c.pass == 2) != isDetached {
			t.Fatalf("host 1 is in state %d, pass %d", h.state, c.pass)
		}
		for _, counter := range []uint64{700, 800, 900, 1000} {
			c.now += 200 * time.Millisecond
			c.slowReport(counter)
			if ids := c.sendAll(); rowsIn(ids) > 0 {
				t.Fatalf("detached %v: at %d of %d it is sent %d rows", isDetached, counter, c.Counter(), rowsIn(ids))
			}
		}
		c.now += 200 * time.Millisecond
		c.slowReport(1000) // nothing more comes out of it
		if n := rowsIn(c.sendAll()); n != 4*9 {
			t.Errorf("detached %v: it is sent %d rows in the end, want 36", isDetached, n)
		}
	}
}

// TestFault57AskingTheGroup: a host that holds all packets, and asks for more again and
// again, is served alone: the others do not wait for it.
func TestFault57AskingTheGroup(t *testing.T) {
	for _, received := range []uint64{0, wire.MaxPackets} { // that it says to have
		c := newCoreTest(t, 8, 2)
		c.sendAll()
		for round := range 2000 {
			c.now += 20 * time.Millisecond
			c.Report(c.now, 1, &wire.Report{At: c.now, Counter: c.Counter(), Oldest: 8, Next: 8})
			r := wire.Report{At: c.now, Counter: c.Counter(), Next: 8, Counters: wire.Counters{Received: min(received, c.Counter())}}
			for n := range wire.Block(8) {
				r.Deficits = append(r.Deficits, wire.Deficit{Block: n, Packets: wire.BlockPackets})
			}
			c.Report(c.now, 0, &r)
			c.Tick(c.now)
			if c.hosts[0].state != attached {
				t.Logf("%d packets were sent in %d rounds", c.Counter(), round)
				break
			}
			c.sendAll()
		}
		if h := c.hosts[0]; h.state != alone || h.reason != wire.Lossy || c.Counter() > 10*8*wire.BlockPackets+2*askFree {
			t.Errorf("it is %v, %v, after %d packets", h.state, h.reason, c.Counter())
		}
	}
}

// TestFault11NoStep: a host that lives and comes no further is given up in the end,
// whatever the policy; not one that waits for the source, or is about to write what it
// has.
func TestFault11NoStep(t *testing.T) {
	const step = 2 * time.Second // between reports
	for _, tt := range []struct {
		name   string
		report func(c *coreTest) wire.Report
		alone  bool
		until  time.Duration
	}{
		{"reader stopped", func(c *coreTest) wire.Report {
			return wire.Report{Counters: wire.Counters{Received: 300, NoRoom: 84}, Next: 1}
		}, false, stallLimit},
		{"asks for nothing", func(c *coreTest) wire.Report {
			return wire.Report{Counters: wire.Counters{Received: 300, BadSegments: maxBad}, Next: 1}
		}, true, stallLimit},
		{"holds all", func(c *coreTest) wire.Report {
			return wire.Report{Counters: wire.Counters{Received: 384}, Oldest: 2, Next: 2}
		}, false, syncLimit},
		{"waits for the source", func(c *coreTest) wire.Report {
			return wire.Report{Counters: wire.Counters{Received: 192}, Oldest: c.nextSend, Next: c.nextSend}
		}, false, 0},
	} {
		c := newCoreTest(t, 2, 1)
		c.cfg.Slow = Wait
		if tt.until > 0 {
			c.sendAll()
		}
		began := c.now
		for c.hosts[0].state < completed && c.now-began < 2*time.Hour {
			c.now += step
			r := tt.report(c)
			r.At, r.Counter = c.now, c.Counter()
			c.Report(c.now, 0, &r)
			c.Tick(c.now)
			if tt.alone != (c.hosts[0].state == alone) && c.hosts[0].state < completed {
				t.Fatalf("%s: it is %v", tt.name, c.hosts[0].state)
			}
		}
		took := c.now - began
		if isUp := tt.until == 0; isUp != (c.hosts[0].state < completed) || !isUp && (took < tt.until || took > tt.until+2*step || !c.Finished()) {
			t.Errorf("%s: after %v it is %v", tt.name, took, c.hosts[0].state)
		}
	}
}

// TestLateSenderIsNoQueue: of packets that a busy machine sends late no host has a queue
// that the rate would be lowered for, if the core is told.
func TestLateSenderIsNoQueue(t *testing.T) {
	if rate := leastRate(t, true); rate < 95*pace.Mbps {
		t.Errorf("the rate fell to %v", rate)
	}
	if rate := leastRate(t, false); rate > 92*pace.Mbps {
		t.Errorf("the rate was %v and more, though the core could not know", rate)
	}
}

// leastRate sends at 100 Mb/s to one host, each fifth and sixth report's last packets 20 ms
// late, and returns the least rate meanwhile.
func leastRate(t *testing.T, isTold bool) (least pace.Rate) {
	c := &coreTest{T: t, Sender: NewSender(SenderConfig{
		Geometry: coreGeometry, Mode: wire.File, Size: uint64(200 * coreGeometry.BlockSize()),
		Receivers: 1, Initial: 100 * pace.Mbps, MaxRate: 100 * pace.Mbps,
	})}
	c.Join(0, 0, rangeset.Set{})
	c.Start(0)
	least = pace.Gbps
	for report := range 100 {
		for next := c.now + c.interval; c.now < next; {
			c.load()
			n, wait := 0, time.Duration(0)
			for wait == 0 {
				if _, ok, w := c.NextPacket(c.now); ok {
					n++
				} else {
					wait = w
				}
			}
			if isLast := c.now+wait >= next; isLast && report%6 >= 4 {
				c.now += 20 * time.Millisecond
			}
			if isTold {
				c.Left(n, c.now)
			}
			if c.now < next {
				c.now += wait
			}
			c.Tick(c.now)
		}
		arrived := c.Counter()
		c.Report(c.now, 0, &wire.Report{At: c.now, Counter: arrived, Counters: wire.Counters{Received: arrived}, Next: wire.Block(arrived / wire.BlockPackets)})
		c.Tick(c.now)
		least = min(least, c.Rate())
	}
	return least
}

func TestSenderAllocatesNothingPerPacket(t *testing.T) {
	c := newCoreTest(t, 60, 1)
	c.load()
	got := testing.AllocsPerRun(5000, func() {
		if _, ok, wait := c.NextPacket(c.now); !ok {
			c.now += wait
		}
	})
	if got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}

func newTestReceiver(blocks int) *Receiver {
	return NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File,
		Size: uint64(blocks * coreGeometry.BlockSize()), Interval: 20 * time.Millisecond})
}

func TestReceiverAllocatesNothingPerPacket(t *testing.T) {
	r := newTestReceiver(16)
	for n := range wire.Block(16) { // new blocks cost something
		r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: uint64(n), Block: n, Index: 0})
	}
	counter := uint64(16)
	got := testing.AllocsPerRun(2000, func() {
		counter++
		r.Packet(time.Duration(counter), wire.Header{Count: wire.BlockPackets, Counter: counter, Block: wire.Block(counter % 16), Index: wire.Index(counter / 16 % 192)})
	})
	if got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}

// TestFault34DuplicatesAreCountedOnce, whatever counter a replayed packet claims to
// be: counters are authentic, so a duplicate is never the newest.
func TestFault34DuplicatesAreCountedOnce(t *testing.T) {
	r := newTestReceiver(1)
	for range 3 {
		for i := range wire.Index(100) {
			r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: uint64(i), Index: i})
		}
	}
	if c := r.Counters(); c.Received != 100 || c.Duplicates != 200 {
		t.Errorf("%+v, want 100 received and 200 duplicates", c)
	}
}

// TestFault48BadSegments: segments whose digest does not hold are fetched over TLS;
// after three of them everything is.
func TestFault48BadSegments(t *testing.T) {
	r := newTestReceiver(5 * wire.SegmentBlocks)
	counter := uint64(0)
	receive := func(seg uint32) (last Verdict) {
		for n := wire.Block(seg) * 4; n < wire.Block(seg+1)*4; n++ {
			for i := range wire.Index(wire.BlockPackets) {
				last = r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: counter, Block: n, Index: i})
				counter++
			}
		}
		return last
	}
	for seg := range uint32(maxBad) {
		if receive(seg) != Complete || !r.IsSegmentComplete(seg) {
			t.Fatalf("segment %d is not complete", seg)
		}
		if _, ok := r.Fetch(0); seg == 0 && ok {
			t.Error("fetches although nothing is wrong")
		}
		r.SegmentBad(seg)
		if receive(seg) != Unwanted {
			t.Errorf("takes segment %d from the group again", seg)
		}
	}
	if reports, _ := r.Report(time.Second); len(reports) != 1 || reports[0].Counters.BadSegments != maxBad {
		t.Errorf("%+v", reports)
	}
	if r.WantsMulticast() {
		t.Error("still listens to the group")
	}
	for now := time.Duration(0); !r.Finished() && now < time.Minute; now += time.Second {
		set, _ := r.Fetch(now)
		if set.Len() > fetchBatch {
			t.Fatalf("asks for %d packets at once", set.Len())
		}
		for ranges := range set.All() {
			for n := ranges.First; n < ranges.End; n++ {
				id := wire.PacketAt(n)
				seg := uint32(id.Block / wire.SegmentBlocks)
				if r.Repair(id) == Complete && r.IsSegmentComplete(seg) {
					r.SegmentVerified(seg)
				}
			}
		}
	}
	if !r.Finished() {
		t.Error("not everything was fetched")
	}
}

// TestFault48WhatIsHeldIsDoubted: who leaves the group for bad segments keeps none
// of the packets that it has from it, but for segments whose digests can tell.
func TestFault48WhatIsHeldIsDoubted(t *testing.T) {
	r := newTestReceiver(8 * wire.SegmentBlocks)
	counter := uint64(0)
	receive := func(seg uint32, packets wire.Index) {
		for n := wire.Block(seg) * 4; n < wire.Block(seg+1)*4; n++ {
			for i := range packets {
				r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: counter, Block: n, Index: i})
				counter++
			}
		}
	}
	receive(3, wire.BlockPackets)
	receive(4, 100)
	receive(5, 1)
	for seg := range uint32(maxBad) {
		receive(seg, wire.BlockPackets)
		forgotten := r.SegmentBad(seg)
		if want := map[bool][]uint32{true: {4, 5}}[seg == maxBad-1]; !slices.Equal(forgotten, want) {
			t.Errorf("bad segment %d: %v are forgotten, want %v", seg, forgotten, want)
		}
	}
	r.SegmentVerified(3)
	fetched := 0
	for set, ok := r.Fetch(0); ok; set, ok = r.Fetch(0) {
		for ranges := range set.All() {
			for n := ranges.First; n < ranges.End; n++ {
				fetched++
				id := wire.PacketAt(n)
				if v := r.Repair(id); v != Keep && v != Complete {
					t.Fatalf("%v was fetched in vain: %d", id, v)
				} else if seg := uint32(id.Block / wire.SegmentBlocks); v == Complete && r.IsSegmentComplete(seg) {
					r.SegmentVerified(seg)
				}
			}
		}
	}
	if want := 7 * wire.SegmentBlocks * wire.BlockPackets; fetched != want || !r.Finished() {
		t.Errorf("%d packets were fetched, want %d; finished %v", fetched, want, r.Finished())
	}
}

// TestInOrderWindow: what is written in order gets no room further from the first
// unwritten segment than the pool is long, so that this one always has room.
func TestInOrderWindow(t *testing.T) {
	const pool = 3
	r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File, Size: uint64(40 * coreGeometry.BlockSize()), Interval: 20 * time.Millisecond, PoolSegments: pool, InOrder: true})
	counter := uint64(0)
	take := func(seg uint32) Verdict {
		counter++
		return r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: counter, Block: wire.Block(seg) * wire.SegmentBlocks})
	}
	if a, b, c := take(5), take(pool), take(pool-1); a != NoRoom || b != NoRoom || c != Keep {
		t.Errorf("beyond the window %d and %d, want %d; in it %d", a, b, NoRoom, c)
	}
	if take(0) != Keep || take(pool) != NoRoom {
		t.Error("the first has no room, or one beyond the window has")
	}
	r.SegmentVerified(0)
	if a, b := take(pool), take(pool+1); a != Keep || b != NoRoom {
		t.Errorf("after the first was written: %d, %d", a, b)
	}
}

// TestHeldFitsAResume: what is held in more pieces than a message takes is told of the
// first only; the rest comes again.
func TestHeldFitsAResume(t *testing.T) {
	const segments = 3 * wire.MaxRanges
	r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File, Size: segments * uint64(coreGeometry.SegmentSize()), Interval: 20 * time.Millisecond})
	for seg := uint32(0); seg < segments; seg += 2 {
		r.SegmentVerified(seg)
		r.next = wire.Block(seg+1) * wire.SegmentBlocks
	}
	held := r.Held()
	if held.Ranges() != wire.MaxRanges || held.Len() != wire.MaxRanges*wire.SegmentBlocks {
		t.Errorf("%d ranges of %d blocks", held.Ranges(), held.Len())
	}
}

// TestMemoryIsBounded: segments beyond the pool get no room, and are lacked.
func TestMemoryIsBounded(t *testing.T) {
	r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.File, Size: uint64(40 * coreGeometry.BlockSize()), Interval: 20 * time.Millisecond, PoolSegments: 3})
	kept := 0
	for n := range wire.Block(40) {
		if r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: uint64(n), Block: n}) == Keep {
			kept++
		}
	}
	if c := r.Counters(); kept != 3*wire.SegmentBlocks || c.NoRoom != uint64(40-kept) {
		t.Errorf("kept packets of %d blocks, %d had no room", kept, c.NoRoom)
	}
}

// TestFinishedMeansVerified: packets that are all there are not enough.
func TestFinishedMeansVerified(t *testing.T) {
	r := newTestReceiver(4)
	counter := uint64(0)
	for n := range wire.Block(4) {
		for i := range wire.Index(wire.BlockPackets) {
			r.Packet(0, wire.Header{Count: wire.BlockPackets, Counter: counter, Block: n, Index: i})
			counter++
		}
	}
	reports, _ := r.Report(time.Second)
	if len(reports) != 1 || reports[0].Oldest != 4 || r.Finished() {
		t.Errorf("%+v, finished %v before the segment was verified", reports, r.Finished())
	}
	if r.SegmentVerified(0); !r.Finished() {
		t.Error("not finished")
	}
}

// TestFault48CorruptHostsAreServedAlone: a host that has left the multicast for bad
// segments is no longer waited for.
func TestFault48CorruptHostsAreServedAlone(t *testing.T) {
	c := newCoreTest(t, 8, 2)
	c.sendAll()
	c.Report(c.now, 1, &wire.Report{At: c.now, Counter: c.Counter(), Counters: wire.Counters{Received: 9, BadSegments: maxBad}, Next: 8,
		Deficits: []wire.Deficit{{Block: 0, Packets: wire.BlockPackets}}})
	for _, e := range c.Events() {
		if e.Kind == Alone && e.Host == 1 && e.Reason == wire.Corrupt {
			return
		}
	}
	t.Error("it is still waited for")
}

// TestFault48ForgedCounter: a member of the group sends a packet far ahead; reports
// that carry its counter are served all the same.
func TestFault48ForgedCounter(t *testing.T) {
	c := newCoreTest(t, 2, 1)
	c.sendAll()
	c.Report(c.now, 0, &wire.Report{At: c.now, Counter: wire.MaxPackets, Next: 2, Deficits: []wire.Deficit{{Block: 1, Packets: 3}}})
	if n := rowsIn(c.sendAll()); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
	if got := c.hosts[0].mark.counter; got > c.Counter() {
		t.Errorf("the host's rate is measured from packet %d on, %d were sent", got, c.Counter())
	}
}

// TestFault48ForgedLength: a packet that says that its block ends early does not
// keep the block from being received once the stream's size is known.
func TestFault48ForgedLength(t *testing.T) {
	r := NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: wire.Stream, Interval: 20 * time.Millisecond})
	r.Packet(0, wire.Header{Flags: wire.FlagLast, Count: 7, Counter: 0, Index: 3})
	r.End(uint64(coreGeometry.BlockSize()))
	last := Unwanted
	for i := range wire.Index(wire.BlockPackets) {
		last = r.Packet(0, wire.Header{Flags: wire.FlagLast, Count: wire.BlockPackets, Counter: uint64(i) + 1, Index: i})
	}
	if last != Complete {
		t.Errorf("the block ended as %d", last)
	}
}
