package wire

import (
	"encoding/binary"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
)

func goldenFetch() golden {
	return golden{
		Fetch{Packets: rangeset.Of(rangeset.Range{First: 0, End: 192}, rangeset.Range{First: 1000, End: 1001})},
		"00000008" + "09" + "02" + "00c001" + "a80601",
	}
}

func TestFetch(t *testing.T) { goldenFetch().check(t) }

// set returns the encoding of one range.
func set(first, length uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint([]byte{1}, first), length)
}

// alternate returns a set of n ranges of one number each.
func alternate(n int) (s rangeset.Set) {
	for i := range uint64(n) {
		s.Add(2*i, 2*i+1)
	}
	return s
}

func TestFetchBounds(t *testing.T) {
	refused(t, TypeFetch, set(MaxPackets-1, 2), "end of the ranges")
	refused(t, TypeFetch, set(1<<63, 1), "end of the ranges")
	refused(t, TypeFetch, set(1<<63, 1<<63), "rangeset")
	refused(t, TypeFetch, set(5, 0), "rangeset")
	tooMany := alternate(MaxRanges + 1)
	refused(t, TypeFetch, tooMany.Append(nil), "4097 ranges")
	panics(t, Fetch{Packets: tooMany})
	panics(t, Fetch{Packets: rangeset.Of(rangeset.Range{First: MaxPackets, End: MaxPackets + 1})})
	if _, err := Parse(Append(nil, Fetch{Packets: alternate(MaxRanges)})[lengthSize:]); err != nil {
		t.Errorf("as many ranges as permitted: %v", err)
	}
}
