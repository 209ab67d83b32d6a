package wire

import (
	"fmt"
	"io"
)

// lengthSize is the size of the length before every frame.
const lengthSize = 4

// Append appends the frame of m to dst, its length first. It panics when m
// breaks a bound of params.go: a sender that has more splits it.
func Append(dst []byte, m Message) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(m.Type()))
	dst = m.appendBody(dst)
	n := len(dst) - start - lengthSize
	mustBe(n <= MaxFrame, "a frame")
	be.PutUint32(dst[start:], uint32(n))
	return dst
}

// Parse reads a frame without its length: the type and the body. The message
// holds no part of it, except a REPAIR's payload.
func Parse(frame []byte) (Message, error) {
	if len(frame) == 0 {
		return nil, fmt.Errorf("%w: an empty frame", ErrFormat)
	}
	t := MessageType(frame[0])
	d := decoder{b: frame[1:]}
	m := parse(t, &d)
	if m == nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, t)
	}
	if err := d.finish(); err != nil {
		return nil, fmt.Errorf("reading a %v: %w", t, err)
	}
	return m, nil
}

// ReadFrame reads the next frame from r into buf, which grows as it must, and
// returns it without its length. A frame of more than limit bytes, at most
// MaxFrame, is refused unread. The error is io.EOF only between two frames.
func ReadFrame(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var length [lengthSize]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := be.Uint32(length[:])
	if n == 0 || int64(n) > int64(min(limit, MaxFrame)) {
		return nil, fmt.Errorf("%w: a frame of %d bytes, not 1 to %d", ErrFormat, n, min(limit, MaxFrame))
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, fmt.Errorf("reading a frame of %d bytes: %w", n, noEOF(err))
	}
	return buf, nil
}

func noEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // a bare one, as io.ReadFull returns it
		return io.ErrUnexpectedEOF
	}
	return err
}

// mustBe panics when what is to be sent breaks a bound.
func mustBe(ok bool, what string) {
	if !ok {
		panic("wire: " + what + " out of bounds")
	}
}
