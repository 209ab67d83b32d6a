package wire

import "github.com/daisy-mcast/daisy-mcast/pkg/rangeset"

// A Fetch asks for data packets over the control connection. Each comes as a
// REPAIR.
type Fetch struct {
	// Packets are positions in the stream as PacketID.Number has them: at most
	// MaxRanges ranges.
	Packets rangeset.Set
}

// Type returns TypeFetch.
func (Fetch) Type() MessageType { return TypeFetch }

func (f Fetch) appendBody(dst []byte) []byte { return appendSet(dst, &f.Packets, MaxPackets) }

func parseFetch(d *decoder) Fetch { return Fetch{Packets: parseSet(d, MaxPackets)} }

// appendSet appends a set of numbers below end.
func appendSet(dst []byte, s *rangeset.Set, end uint64) []byte {
	mustBe(s.Ranges() <= MaxRanges && s.End() <= end, "ranges")
	return s.Append(dst)
}

// parseSet takes the rest of a body as a set of numbers below end.
func parseSet(d *decoder, end uint64) rangeset.Set {
	s, err := rangeset.Parse(d.b, MaxRanges)
	if err != nil {
		d.failf("%v", err)
		return rangeset.Set{}
	}
	d.b = nil
	d.bounded("end of the ranges", s.End(), end)
	return s
}
