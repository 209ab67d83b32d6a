package wire

import "crypto/sha256"

// A Digest is the SHA-256 of a segment, or what the stream has instead, or the root over
// all of them.
type Digest [sha256.Size]byte

// A Segments tells the digests of consecutive segments, as the sender has read
// them. Each segment's is told once, in order.
type Segments struct {
	First   uint32   // the number of the first segment
	Digests []Digest // 1 to MaxDigests
}

// Type returns TypeSegments.
func (Segments) Type() MessageType { return TypeSegments }

func (s Segments) appendBody(dst []byte) []byte {
	n := uint64(len(s.Digests))
	mustBe(n > 0 && n <= MaxDigests && uint64(s.First)+n <= MaxSegments, "digests")
	dst = be.AppendUint32(dst, s.First)
	for i := range s.Digests {
		dst = append(dst, s.Digests[i][:]...)
	}
	return dst
}

func parseSegments(d *decoder) Segments {
	s := Segments{First: d.u32()}
	b := d.rest("bytes of digests", MaxDigests*len(Digest{}))
	n := len(b) / len(Digest{})
	if n == 0 || len(b)%len(Digest{}) != 0 {
		d.failf("%d bytes of digests", len(b))
		return s
	}
	d.bounded("segments", uint64(s.First)+uint64(n), MaxSegments)
	s.Digests = make([]Digest, n)
	for i := range s.Digests {
		copy(s.Digests[i][:], b[i*len(Digest{}):])
	}
	return s
}
