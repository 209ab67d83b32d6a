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
}

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
