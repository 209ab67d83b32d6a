package wire

import "time"

// A Report is what a receiver tells at every report interval. It is the whole
// truth about its blocks from Oldest to Next, so the sender needs only the last
// one; all counters are since the start of the session.
type Report struct {
	// At is the receiver's time since its READY, in whole microseconds: its
	// rate is the difference of two reports' Received over that of their At,
	// however late the reports themselves arrive.
	At time.Duration
	// Counter is the highest send counter seen, plus one; 0 before the first
	// packet. A packet sent before it has arrived or is lost, reordering aside.
	Counter uint64
	// Counters are the packets by what became of them.
	Counters Counters
	// Oldest is the oldest incomplete block. All blocks before it are complete.
	Oldest Block
	// Next is one past the newest block that the report speaks about. Blocks
	// from there on are as if none of their packets had been seen.
	Next Block
	// Deficits are the incomplete blocks from Oldest to Next, in order; the
	// others there are complete. At most MaxDeficits.
	Deficits []Deficit
}

// A Deficit is how many more packets a block needs, data or parity.
type Deficit struct {
	Block   Block
	Packets uint8 // 1 to BlockPackets
}

// Type returns TypeReport.
func (Report) Type() MessageType { return TypeReport }

func (r Report) appendBody(dst []byte) []byte {
	mustBe(len(r.Deficits) <= MaxDeficits && r.Oldest <= r.Next && r.Next <= MaxBlocks, "deficits")
	dst = be.AppendUint64(dst, uint64(r.At/time.Microsecond))
	dst = be.AppendUint64(dst, r.Counter)
	dst = r.Counters.append(dst)
	dst = be.AppendUint32(dst, uint32(r.Oldest))
	dst = be.AppendUint32(dst, uint32(r.Next))
	dst = be.AppendUint16(dst, uint16(len(r.Deficits)))
	for _, f := range r.Deficits {
		dst = be.AppendUint32(dst, uint32(f.Block))
		dst = append(dst, f.Packets)
	}
	return dst
}

// maxTime bounds the times of reports, so that they fit a time.Duration.
const maxTime = uint64(1<<63-1) / uint64(time.Microsecond)

func parseReport(d *decoder) Report {
	var r Report
	r.At = time.Duration(d.bounded("time", d.u64(), maxTime)) * time.Microsecond
	r.Counter = d.bounded("counter", d.u64(), MaxPackets)
	r.Counters = parseCounters(d)
	r.Oldest = d.block("oldest block", MaxBlocks)
	r.Next = d.block("next block", MaxBlocks)
	if r.Oldest > r.Next {
		d.failf("oldest block %d, next block %d", r.Oldest, r.Next)
	}
	n := int(d.bounded("deficits", uint64(d.u16()), MaxDeficits))
	if n*5 != len(d.b) {
		d.failf("%d deficits in %d bytes", n, len(d.b))
	}
	if d.err != nil || n == 0 {
		return r
	}
	r.Deficits = make([]Deficit, n)
	from := r.Oldest
	for i := range r.Deficits {
		f := Deficit{Block: Block(d.u32()), Packets: d.u8()}
		if f.Block < from || f.Block >= r.Next || f.Packets == 0 || f.Packets > BlockPackets {
			d.failf("a deficit of %d at block %d, blocks %d to %d being due", f.Packets, f.Block, from, r.Next)
			return r
		}
		r.Deficits[i] = f
		from = f.Block + 1
	}
	return r
}
