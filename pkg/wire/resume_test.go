package wire

import (
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
)

func goldenResume() golden {
	return golden{Resume{Held: rangeset.Of(rangeset.Range{First: 4, End: 8})}, "000000040c010404"}
}

func TestResume(t *testing.T) { goldenResume().check(t) }

func TestResumeBounds(t *testing.T) {
	refused(t, TypeResume, set(MaxBlocks-1, 2), "end of the ranges")
	panics(t, Resume{Held: alternate(MaxRanges + 1)})
}
