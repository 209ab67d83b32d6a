package transfer

import (
	"crypto/sha256"
	"hash"
	"io"
	"math"
)

// A Source is what a sender sends. It is read once, in order, through Reader;
// the digests are made from what that gave.
type Source struct {
	Reader io.Reader
	// Again, when set, gives the same bytes once more, at any time and place:
	// late receivers and those that lost much get what they miss from it, and
	// the sender's memory is no window. Without it the source is a stream.
	Again io.ReaderAt
	// Size is the number of bytes, with Again only.
	Size int64
	// Sums makes the segments' digests; nil: the SHA-256 of each one's bytes. Who
	// receives has to have a SegmentSink that knows them.
	Sums Summer
}

// A Summer makes the digests of a source's segments, and may prove the source by the same
// pass.
type Summer interface {
	// Write takes the next bytes of the source. An error ends the sending before the
	// block with these bytes is sent.
	io.Writer
	// Sum returns the digest of the segment that ends with the bytes so far.
	Sum() [sha256.Size]byte
}

// plainSums are the SHA-256 of each segment.
type plainSums struct{ hash.Hash }

func (s plainSums) Sum() (sum [sha256.Size]byte) {
	s.Hash.Sum(sum[:0])
	s.Reset()
	return sum
}

// FileSource reads a file, or anything like one, of size bytes. If there are more when
// these are read the sending fails: the file grows.
func FileSource(r io.ReaderAt, size int64) Source {
	return Source{Reader: io.NewSectionReader(r, 0, math.MaxInt64), Again: r, Size: size}
}

// StreamSource reads what comes until its end.
func StreamSource(r io.Reader) Source { return Source{Reader: r} }

func (s Source) isStream() bool { return s.Again == nil }
