package transfer

import (
	"bytes"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A nowhere is a socket whose packets go to a function.
type nowhere struct{ take func(run []byte, size int) }

func (n nowhere) SendRun(run []byte, size int) error { n.take(run, size); return nil }
func (nowhere) SetSegment(bool)                      {}
func (nowhere) Unsent() uint64                       { return 0 }
func (nowhere) Close() error                         { return nil }

// loneSender returns a sender whose blocks are in memory and whose one host keeps
// up, as far as the sender is told.
func loneSender(t testing.TB, blocks int, take func(run []byte, size int)) *sending {
	t.Helper()
	data := testBytes(blocks * testGeometry.BlockSize())
	cfg := SendConfig{
		LocalIP: local, Group: freeGroup(t), Identity: identity(t), Receivers: 1,
		testOnlyWriter: func(w packetWriter) packetWriter { w.Close(); return nowhere{take} },
	}
	s, err := newSending(cfg, FileSource(bytes.NewReader(data), int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	s.core.Join(0, 0, rangeset.Set{})
	s.core.Start(0)
	for {
		n, ok := s.core.NextRead()
		if !ok {
			return s
		}
		b := s.pool.take()
		if err := reread(s.g, s.src, n, b); err != nil {
			t.Fatal(err)
		}
		s.blocks[n] = b
		s.core.BlockReady(0, n, b.packets(s.g))
	}
}

// TestPacketsLeaveWithoutAllocation is about data packets; that of parity rows is
// TestRowsAreMadeWithoutAllocation.
func TestPacketsLeaveWithoutAllocation(t *testing.T) {
	sent := 0
	s := loneSender(t, 40, func(run []byte, size int) { sent += len(run) / size })
	now := time.Duration(0)
	allocs := testing.AllocsPerRun(100, func() {
		now += 250 * time.Microsecond
		s.sendPackets(now)
	})
	if allocs > 0 || sent < 200 {
		t.Errorf("%v allocations a burst, %d packets", allocs, sent)
	}
}

func TestRowsAreMadeWithoutAllocation(t *testing.T) {
	b := &blockBuffer{data: testBytes(testGeometry.BlockSize()), size: testGeometry.BlockSize()}
	rows := newRowCache(testGeometry)
	allocs := testing.AllocsPerRun(10, func() {
		for row := range 8 {
			rows.row(b, row, 7-row)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for eight rows", allocs)
	}
	if len(rows.sets) > 0 || len(rows.free) != 1 {
		t.Errorf("%d sets are kept, %d are free", len(rows.sets), len(rows.free))
	}
}

// TestPacketsArriveWithoutAllocation takes four segments' packets in, of which the
// buffers and the core's pages are made before.
func TestPacketsArriveWithoutAllocation(t *testing.T) {
	var datagrams [][]byte
	s := loneSender(t, 16, func(run []byte, size int) {
		for ; len(run) > 0; run = run[min(size, len(run)):] {
			datagrams = append(datagrams, bytes.Clone(run[:min(size, len(run))]))
		}
	})
	for now := time.Duration(0); len(datagrams) < 16*wire.BlockPackets; now += time.Millisecond {
		s.sendPackets(now)
	}
	r := loneReceiver(t, s)
	const warm = 4 * wire.BlockPackets // a segment's packets make its buffer
	at := 0
	step := func() {
		for range 40 {
			r.takePacket(time.Duration(at)*time.Microsecond, datagrams[at], false)
			at++
		}
	}
	for at < warm {
		step()
	}
	if allocs := testing.AllocsPerRun(20, step); allocs > 0 {
		t.Errorf("%v allocations for 40 packets", allocs)
	}
	if c := r.core.Counters(); int(c.Received) != at {
		t.Errorf("%d packets of %d counted", c.Received, at)
	}
}

// loneReceiver returns a receiver of what s sends, all of whose buffers are made.
func loneReceiver(t testing.TB, s *sending) *reception {
	t.Helper()
	opener, err := wire.NewOpener(s.welcome.Key, s.welcome.Session, s.g)
	if err != nil {
		t.Fatal(err)
	}
	r := &reception{
		g: s.g, opener: opener, pool: 8, sink: FileSink(&recorder{}),
		segments: make(map[uint32]*segmentBuffer), bad: make(map[uint32]bool),
		core: NewReceiver(0, ReceiverConfig{
			Geometry: s.g, Mode: wire.File, Size: s.welcome.Size, Interval: wire.MinReportInterval, PoolSegments: 8,
		}),
	}
	for range r.pool {
		r.free = append(r.free, newSegmentBuffer(s.g))
	}
	r.made = r.pool
	return r
}
