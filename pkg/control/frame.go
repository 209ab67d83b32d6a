package control

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Bounds of the format.
const (
	// MaxFrame bounds one frame, its length field not counted. It is what a
	// reader may have to allocate before it knows more.
	MaxFrame = 1 << 20
	// MaxMessage bounds a message of several frames: a list of 100,000 blobs
	// is about 10 MiB.
	MaxMessage = 64 << 20
)

const preamble = "DMCTRL\x00\x01"

// Errors of a stream that is not this format.
var (
	ErrVersion = errors.New("control: the other side speaks another version")
	ErrFormat  = errors.New("control: malformed frame")
)

type frameType uint8

const (
	frameRequest frameType = 1 + iota
	frameResponse
	frameEvent
	frameData
)

const (
	frameHead = 10 // bytes: type, flags, call number
	flagMore  = 1
)

type frame struct {
	typ     frameType
	more    bool
	call    uint64
	payload []byte
}

// frameWriter writes whole messages; safe for concurrent use.
type frameWriter struct {
	w io.Writer

	mu    sync.Mutex
	first string // goes out before the first frame
}

// message writes payload as one message. Frames of other messages never stand
// between its frames.
func (fw *frameWriter) message(typ frameType, call uint64, payload []byte) error {
	if len(payload) > MaxMessage {
		return fmt.Errorf("%w: a message of %d bytes, at most %d", ErrFormat, len(payload), MaxMessage)
	}
	fw.mu.Lock()
	defer fw.mu.Unlock()
	for {
		part := payload[:min(len(payload), MaxFrame-frameHead)]
		payload = payload[len(part):]
		if err := fw.frame(frame{typ: typ, more: len(payload) > 0, call: call, payload: part}); err != nil {
			return err
		}
		if len(payload) == 0 {
			return nil
		}
	}
}

// data writes one piece of a call's stream; more is false at its end.
func (fw *frameWriter) data(call uint64, b []byte, more bool) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return fw.frame(frame{typ: frameData, more: more, call: call, payload: b})
}

func (fw *frameWriter) frame(f frame) error {
	b := make([]byte, 4+frameHead, len(fw.first)+4+frameHead)
	binary.BigEndian.PutUint32(b, uint32(frameHead+len(f.payload)))
	b[4] = byte(f.typ)
	if f.more {
		b[5] = flagMore
	}
	binary.BigEndian.PutUint64(b[6:], f.call)
	if fw.first != "" {
		b = append([]byte(fw.first), b...)
		fw.first = ""
	}
	if len(f.payload) <= smallPayload {
		_, err := fw.w.Write(append(b, f.payload...))
		return err
	}
	// A large one is not copied: a thousand hosts may be sent the same at once.
	if _, err := fw.w.Write(b); err != nil {
		return err
	}
	_, err := fw.w.Write(f.payload)
	return err
}

const (
	// smallPayload goes out in one write with its head.
	smallPayload = 4 << 10
	// readAhead is small, for there is a reader for each host; large payloads go
	// around it.
	readAhead = 8 << 10
)

// frameReader reads messages; it is used by one goroutine.
type frameReader struct {
	r *bufio.Reader
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readAhead)}
}

// preamble reads and checks the first bytes of the answering side.
func (fr *frameReader) preamble() error {
	var got [len(preamble)]byte
	if _, err := io.ReadFull(fr.r, got[:]); err != nil {
		return fmt.Errorf("reading the control preamble: %w", err)
	}
	n := len(preamble) - 1
	if string(got[:n]) != preamble[:n] {
		return fmt.Errorf("%w: not a control stream", ErrFormat)
	}
	if got[n] != preamble[n] {
		return fmt.Errorf("%w: %d, ours is %d", ErrVersion, got[n], preamble[n])
	}
	return nil
}

// next returns the next message, put together, or the next piece of data.
func (fr *frameReader) next() (frame, error) {
	f, err := fr.frame()
	if err != nil || f.typ == frameData {
		return f, err
	}
	for f.more {
		g, err := fr.frame()
		if err != nil {
			return frame{}, err
		}
		if g.typ != f.typ || g.call != f.call {
			return frame{}, fmt.Errorf("%w: a message cut by another", ErrFormat)
		}
		if len(f.payload)+len(g.payload) > MaxMessage {
			return frame{}, fmt.Errorf("%w: a message over %d bytes", ErrFormat, MaxMessage)
		}
		f.payload = append(f.payload, g.payload...)
		f.more = g.more
	}
	return f, nil
}

func (fr *frameReader) frame() (frame, error) {
	var head [4 + frameHead]byte
	if _, err := io.ReadFull(fr.r, head[:4]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < frameHead || n > MaxFrame {
		return frame{}, fmt.Errorf("%w: length %d", ErrFormat, n)
	}
	if _, err := io.ReadFull(fr.r, head[4:]); err != nil {
		return frame{}, fmt.Errorf("%w: %w", ErrFormat, io.ErrUnexpectedEOF)
	}
	f := frame{
		typ:     frameType(head[4]),
		more:    head[5]&flagMore != 0,
		call:    binary.BigEndian.Uint64(head[6:]),
		payload: make([]byte, n-frameHead),
	}
	if f.typ < frameRequest || f.typ > frameData {
		return frame{}, fmt.Errorf("%w: type %d", ErrFormat, f.typ)
	}
	if _, err := io.ReadFull(fr.r, f.payload); err != nil {
		return frame{}, fmt.Errorf("%w: %w", ErrFormat, io.ErrUnexpectedEOF)
	}
	return f, nil
}
