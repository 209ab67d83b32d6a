package jasmine

import (
	"context"
	"fmt"
	"io"
	"time"
)

// A buffer is what one round sends: the bytes of its packets, all full but the
// last.
type buffer struct{ data []byte }

func (b *buffer) count() uint32 { return uint32((len(b.data) + maxPayload - 1) / maxPayload) }

// payload returns the bytes of the i-th packet.
func (b *buffer) payload(i int) []byte {
	from := i * maxPayload
	return b.data[from:min(from+maxPayload, len(b.data))]
}

func (b *buffer) isFull() bool { return len(b.data) == cap(b.data) }

// pieceSize is how much of the source is read at once.
const pieceSize = 256 << 10

// A piece is what one Read gave. data is valid until the next piece is taken.
type piece struct {
	data []byte
	err  error
}

// A source cuts a stream into buffers, one ahead of the round that is sent. A
// buffer is given out when it is full, at the end of the stream, or when the
// stream has paused and somebody waits: a slow pipe is passed on as it flows.
//
// The goroutine of run owns the buffer being filled.
type source struct {
	ready chan *buffer // an empty buffer is the end of the stream
	free  chan *buffer // buffers that the rounds are done with
	err   error        // why the stream ended early; set before ready is closed

	rest []byte // of the last piece, what did not fit the buffer
	end  error  // what the last Read returned
}

func newSource(packets int) *source {
	s := &source{ready: make(chan *buffer), free: make(chan *buffer, 2)}
	for range cap(s.free) {
		s.free <- &buffer{data: make([]byte, 0, packets*maxPayload)}
	}
	return s
}

// run reads src until its end, an error or the end of ctx, then closes ready.
// It does not wait for a Read that hangs.
func (s *source) run(ctx context.Context, src io.Reader) {
	defer close(s.ready)
	pieces := make(chan piece)
	go readPieces(ctx, src, pieces)
	for s.end == nil || len(s.rest) > 0 {
		select {
		case b := <-s.free:
			b.data = b.data[:0]
			if err := s.fill(ctx, b, pieces); err != nil {
				s.err = err
				return
			}
		case <-ctx.Done():
			s.err = ctx.Err()
			return
		}
	}
	s.give(ctx, &buffer{})
}

func (s *source) give(ctx context.Context, b *buffer) {
	select {
	case s.ready <- b:
	case <-ctx.Done():
	}
}

// fill fills b and gives it out, if there is anything to give.
func (s *source) fill(ctx context.Context, b *buffer, pieces <-chan piece) error {
	var paused <-chan time.Time // from the first byte on
	var out chan<- *buffer      // set when b may go
	s.take(b)
	for s.end == nil {
		in := pieces
		if b.isFull() {
			in, out = nil, s.ready
		} else if len(b.data) > 0 && paused == nil {
			paused = time.After(linger)
		}
		select {
		case p := <-in:
			s.rest, s.end = p.data, p.err
			s.take(b)
		case <-paused:
			out = s.ready
		case out <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.end != io.EOF { //nolint:errorlint // a Reader returns io.EOF itself at a clean end
		return fmt.Errorf("reading the input: %w", s.end)
	}
	if len(b.data) > 0 {
		s.give(ctx, b)
	}
	return nil
}

// take moves what fits from the last piece into b.
func (s *source) take(b *buffer) {
	n := min(len(s.rest), cap(b.data)-len(b.data))
	b.data = append(b.data, s.rest[:n]...)
	s.rest = s.rest[n:]
}

// readPieces reads src until an error and hands over what it read. Two pieces
// take turns: one is taken only after the one before was copied.
func readPieces(ctx context.Context, src io.Reader, pieces chan<- piece) {
	var mem [2][]byte
	for i := 0; ; i = 1 - i {
		if mem[i] == nil {
			mem[i] = make([]byte, pieceSize)
		}
		n, err := src.Read(mem[i])
		select {
		case pieces <- piece{mem[i][:n], err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
