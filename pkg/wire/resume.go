package wire

import "github.com/daisy-mcast/daisy-mcast/pkg/rangeset"

// A Resume tells which blocks a receiver already holds and has verified by
// their segments' digests: those of an earlier session, or before its
// connection was lost. One without blocks announces another, see
// docs/PROTOCOL.md.
type Resume struct {
	Held rangeset.Set // blocks; at most MaxRanges ranges
}

// Type returns TypeResume.
func (Resume) Type() MessageType { return TypeResume }

func (r Resume) appendBody(dst []byte) []byte { return appendSet(dst, &r.Held, MaxBlocks) }

func parseResume(d *decoder) Resume { return Resume{Held: parseSet(d, MaxBlocks)} }
