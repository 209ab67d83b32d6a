package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// ErrSink is wrapped by errors of writing what was received.
var ErrSink = errors.New("transfer: writing what was received")

// A Sink is where a receiver writes. What it gets is verified.
type Sink struct {
	at  io.WriterAt
	seq io.Writer

	file    File // with a journal
	journal *Journal

	proving SegmentWriter // instead of at and seq
}

// A SegmentWriter is told what each segment has to be, and verifies it by itself. It is
// for sources that have Sums of their own.
type SegmentWriter interface {
	// WriteSegment takes the segment that begins at an offset, in any order, once. sum is
	// its digest, before that of the segment before it, zero for the first one. It
	// reports false when the segment is not what the sender read: it comes again then.
	// An error ends the reception.
	WriteSegment(p []byte, off int64, before, sum [sha256.Size]byte) (isGood bool, err error)
}

// SegmentSink gives segments to who verifies them, as soon as each is there.
func SegmentSink(w SegmentWriter) Sink { return Sink{proving: w} }

// A File is what can be written in more than one session: an *os.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// JournaledSink is a FileSink that can be resumed: j tells what an earlier session has
// left in f, and learns what this one writes. Of a stream whose size is not known
// before its end nothing can be resumed.
func JournaledSink(f File, j *Journal) Sink { return Sink{at: f, file: f, journal: j} }

// FileSink writes segments at their places, as soon as each is verified, in any
// order.
func FileSink(w io.WriterAt) Sink { return Sink{at: w} }

// StreamSink writes the stream in order. Segments that are verified before their
// turn wait in the receiver's buffers, which are the window: a packet beyond it is
// not taken.
func StreamSink(w io.Writer) Sink { return Sink{seq: w} }

func (s Sink) isOrdered() bool { return s.seq != nil }

func (s Sink) write(b []byte, at int64) error {
	var err error
	if s.seq != nil {
		_, err = s.seq.Write(b)
	} else {
		_, err = s.at.WriteAt(b, at)
	}
	return wrapSink(err)
}

func wrapSink(err error) error {
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrSink, err)
	}
	return err
}
