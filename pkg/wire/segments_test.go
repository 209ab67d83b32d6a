package wire

import (
	"bytes"
	"strings"
	"testing"
)

func digestOf(b byte) Digest { return Digest(bytes.Repeat([]byte{b}, 32)) }

func goldenSegments() golden {
	return golden{
		Segments{First: 7, Digests: []Digest{digestOf(0xaa), digestOf(0xbb)}},
		"000000450500000007" + strings.Repeat("aa", 32) + strings.Repeat("bb", 32),
	}
}

func TestSegments(t *testing.T) { goldenSegments().check(t) }

func TestSegmentsBounds(t *testing.T) {
	refused(t, TypeSegments, make([]byte, 4), "0 bytes of digests")
	refused(t, TypeSegments, make([]byte, 4+33), "33 bytes of digests")
	refused(t, TypeSegments, make([]byte, 4+32*(MaxDigests+1)), "bytes of digests")
	refused(t, TypeSegments, with(make([]byte, 36), 0, 0, 5, 0x55, 0x56), "segments")
	refused(t, TypeSegments, with(make([]byte, 36), 0, 0xff, 0xff, 0xff, 0xff), "segments")
	panics(t, Segments{})
	panics(t, Segments{Digests: make([]Digest, MaxDigests+1)})
	panics(t, Segments{First: MaxSegments, Digests: make([]Digest, 1)})
	Append(nil, Segments{First: MaxSegments - MaxDigests, Digests: make([]Digest, MaxDigests)})
}
