package wire

// Counters say what became of the packets at one receiver, so that loss can be
// told by its cause. What is in none of them was lost on the wire.
type Counters struct {
	Received    uint64 // first-seen data and parity packets
	Duplicates  uint64 // packets seen before, or of a block that was complete
	Overflow    uint64 // dropped by the kernel: the socket's buffer was full
	BadTags     uint64 // not authentic: forged, or damaged under way
	NoRoom      uint64 // dropped because the disk, or the reader, was behind
	CEMarks     uint64 // came with ECN's congestion mark (RFC 3168)
	BadSegments uint64 // segments whose digest did not hold
}

func (c *Counters) fields() [7]*uint64 {
	return [...]*uint64{&c.Received, &c.Duplicates, &c.Overflow, &c.BadTags, &c.NoRoom, &c.CEMarks, &c.BadSegments}
}

func (c Counters) append(dst []byte) []byte {
	for _, f := range c.fields() {
		dst = be.AppendUint64(dst, *f)
	}
	return dst
}

func parseCounters(d *decoder) (c Counters) {
	for _, f := range c.fields() {
		*f = d.u64()
	}
	return c
}
