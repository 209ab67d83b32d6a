package wire

// A Detach tells a receiver that the others no longer wait for it: it keeps
// what reaches it and is served after the main pass, with others or alone.
type Detach struct {
	// Alone says that the receiver has to ask for what it lacks, by FETCH.
	Alone  bool
	Reason Reason
	Text   string // for people: printable, at most MaxText bytes
}

// Type returns TypeDetach.
func (Detach) Type() MessageType { return TypeDetach }

func (m Detach) appendBody(dst []byte) []byte {
	alone := byte(0)
	if m.Alone {
		alone = 1
	}
	return appendReason(append(dst, alone), m.Reason, m.Text)
}

func parseDetach(d *decoder) (m Detach) {
	m.Alone = d.bounded("how it is served", uint64(d.u8()), 1) == 1
	m.Reason, m.Text = parseReason(d)
	return m
}
