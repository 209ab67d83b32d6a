package transfer

import "io"

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
}

// FileSource reads a file, or anything like one.
func FileSource(r io.ReaderAt, size int64) Source {
	return Source{Reader: io.NewSectionReader(r, 0, size), Again: r, Size: size}
}

// StreamSource reads what comes until its end.
func StreamSource(r io.Reader) Source { return Source{Reader: r} }

func (s Source) isStream() bool { return s.Again == nil }
