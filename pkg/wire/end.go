package wire

// An End tells the whole of the stream, once the sender has read all of it.
type End struct {
	Size     uint64 // bytes
	Segments uint32 // of which the last may be shorter
	Root     Digest // by RootHash over the segments' digests
}

// maxSize bounds the size of any stream; a session's own bound follows from its
// payload.
const maxSize = MaxBlocks * BlockPackets * MaxPayload

// Type returns TypeEnd.
func (End) Type() MessageType { return TypeEnd }

func (e End) appendBody(dst []byte) []byte {
	mustBe(e.Segments <= MaxSegments && e.Size <= maxSize, "a stream")
	dst = be.AppendUint64(dst, e.Size)
	dst = be.AppendUint32(dst, e.Segments)
	return append(dst, e.Root[:]...)
}

func parseEnd(d *decoder) End {
	e := End{Size: d.bounded("size", d.u64(), maxSize)}
	e.Segments = uint32(d.bounded("segments", uint64(d.u32()), MaxSegments))
	copy(e.Root[:], d.take(len(e.Root)))
	return e
}
