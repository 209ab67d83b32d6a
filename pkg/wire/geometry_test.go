package wire

import "testing"

func TestSizesOfTheDefault(t *testing.T) {
	g := Geometry{Payload: DefaultPayload}
	if DefaultPayload != 1432 || DefaultPayload+Overhead+28 != 1500 {
		t.Errorf("the default payload is %d", DefaultPayload)
	}
	if got := g.SegmentSize(); got != 1_099_776 {
		t.Errorf("a segment has %d bytes", got)
	}
	if MaxBlocks != 1_398_101 || MaxSegments != 349_526 || MinPayload != 508 || MaxPayload != 8932 {
		t.Errorf("not as doc.go says: %d %d %d %d", MaxBlocks, MaxSegments, MinPayload, MaxPayload)
	}
}

func TestGeometry(t *testing.T) {
	g := Geometry{Payload: 1000}
	const block = 192_000
	for _, tt := range []struct {
		size     uint64
		blocks   Block
		segments uint32
		last     int // data packets of the last block
		tail     int // bytes of the last packet
	}{
		{0, 0, 0, 0, 0},
		{1, 1, 1, 1, 1},
		{1000, 1, 1, 1, 1000},
		{1001, 1, 1, 2, 1},
		{block, 1, 1, 192, 1000},
		{block + 1, 2, 1, 1, 1},
		{4 * block, 4, 1, 192, 1000},
		{4*block + 999, 5, 2, 1, 999},
		{g.MaxSize(), MaxBlocks, MaxSegments, 192, 1000},
		{g.MaxSize() - 1, MaxBlocks, MaxSegments, 192, 999},
	} {
		if got := g.Blocks(tt.size); got != tt.blocks {
			t.Errorf("%d bytes: %d blocks, want %d", tt.size, got, tt.blocks)
		}
		if got := g.Segments(tt.size); got != tt.segments {
			t.Errorf("%d bytes: %d segments, want %d", tt.size, got, tt.segments)
		}
		if got := g.Packets(tt.size, tt.blocks); got != 0 {
			t.Errorf("%d bytes: %d packets past the end", tt.size, got)
		}
		if tt.blocks == 0 {
			continue
		}
		if first := g.Packets(tt.size, 0); first != int(min((tt.size+999)/1000, 192)) {
			t.Errorf("%d bytes: %d packets in the first block", tt.size, first)
		}
		last := PacketID{tt.blocks - 1, Index(tt.last - 1)}
		if got := g.Packets(tt.size, last.Block); got != tt.last {
			t.Errorf("%d bytes: %d packets in the last block, want %d", tt.size, got, tt.last)
		}
		if got := g.PayloadLen(tt.size, last); got != tt.tail {
			t.Errorf("%d bytes: %d bytes in the last packet, want %d", tt.size, got, tt.tail)
		}
		if got := g.Offset(last) + uint64(tt.tail); got != tt.size {
			t.Errorf("%d bytes: the last packet ends at %d", tt.size, got)
		}
		if got := g.PayloadLen(tt.size, PacketAt(last.Number()+1)); got != 0 {
			t.Errorf("%d bytes: a packet past the end has %d", tt.size, got)
		}
	}
}

func TestPacketNumbers(t *testing.T) {
	for n, want := range map[uint64]PacketID{
		0: {0, 0}, 191: {0, 191}, 192: {1, 0},
		MaxBlocks*BlockPackets - 1: {MaxBlocks - 1, 191},
	} {
		if got := PacketAt(n); got != want || got.Number() != n {
			t.Errorf("%d: got %+v, number %d", n, got, got.Number())
		}
	}
	if i := ParityIndex(63); i != 255 || !i.IsParity() || i.Row() != 63 || Index(191).IsParity() {
		t.Errorf("row 63 has the index %d", i)
	}
}

func TestReportIntervalBoundsReports(t *testing.T) {
	for _, n := range []int{0, 1, 16, 200, 201, 1000, 100_000_000} {
		d := ReportInterval(n)
		if d < MinReportInterval || d > MaxReportInterval {
			t.Errorf("%d receivers: %v", n, d)
		}
		if n <= 100_000 && float64(n)/d.Seconds() > 10_000.01 {
			t.Errorf("%d receivers every %v are more than 10,000 reports a second", n, d)
		}
	}
}
