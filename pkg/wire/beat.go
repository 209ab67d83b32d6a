package wire

// A Beat is the sender's sign of life while it has nothing else to say.
type Beat struct {
	// Sent is the send counter of the next packet, so that a receiver learns
	// that there were packets when it got none.
	Sent uint64
}

// Type returns TypeBeat.
func (Beat) Type() MessageType { return TypeBeat }

func (b Beat) appendBody(dst []byte) []byte {
	mustBe(b.Sent <= MaxPackets, "a counter")
	return be.AppendUint64(dst, b.Sent)
}

func parseBeat(d *decoder) Beat { return Beat{Sent: d.bounded("sent", d.u64(), MaxPackets)} }
