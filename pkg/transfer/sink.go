package transfer

import (
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
}

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
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSink, err)
	}
	return nil
}
