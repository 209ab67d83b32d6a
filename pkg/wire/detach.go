package wire

// A Detach tells a receiver that the others no longer wait for it: it keeps
// what reaches it and is served after the main pass.
type Detach struct {
	Reason Reason
	Text   string // for people: printable, at most MaxText bytes
}

// Type returns TypeDetach.
func (Detach) Type() MessageType { return TypeDetach }

func (m Detach) appendBody(dst []byte) []byte { return appendReason(dst, m.Reason, m.Text) }

func parseDetach(d *decoder) (m Detach) {
	m.Reason, m.Text = parseReason(d)
	return m
}
