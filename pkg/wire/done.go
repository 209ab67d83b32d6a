package wire

// A Done says that a receiver has the whole stream, verified and where it
// belongs. The sender compares the root with its own.
type Done struct {
	Root     Digest
	Counters Counters
}

// Type returns TypeDone.
func (Done) Type() MessageType { return TypeDone }

func (m Done) appendBody(dst []byte) []byte {
	dst = append(dst, m.Root[:]...)
	return m.Counters.append(dst)
}

func parseDone(d *decoder) Done {
	var m Done
	copy(m.Root[:], d.take(len(m.Root)))
	m.Counters = parseCounters(d)
	return m
}
