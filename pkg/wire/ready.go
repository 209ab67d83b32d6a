package wire

// A Ready says that the receiver has joined the group and can receive.
type Ready struct {
	// ReceiveBuffer is the size of its socket's buffer as the kernel granted
	// it, in bytes, so that the sender's report can advise on it.
	ReceiveBuffer uint32
}

// Type returns TypeReady.
func (Ready) Type() MessageType { return TypeReady }

func (r Ready) appendBody(dst []byte) []byte { return be.AppendUint32(dst, r.ReceiveBuffer) }

func parseReady(d *decoder) Ready { return Ready{ReceiveBuffer: d.u32()} }
