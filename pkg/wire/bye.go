package wire

// A Bye is the last message of a side.
type Bye struct {
	Reason Reason
	Text   string // for people: printable, at most MaxText bytes
}

// Type returns TypeBye.
func (Bye) Type() MessageType { return TypeBye }

func (m Bye) appendBody(dst []byte) []byte { return appendReason(dst, m.Reason, m.Text) }

func parseBye(d *decoder) (m Bye) {
	m.Reason, m.Text = parseReason(d)
	return m
}
