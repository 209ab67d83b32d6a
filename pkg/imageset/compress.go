package imageset

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compressor returns a writer that packs as the extension of name says: .tgz and
// .gz by gzip, .zst and .tzst by zstd, .tar not at all. What it writes depends on
// the bytes alone: they are cut into pieces of fixed size, which are packed beside
// each other and written in order. Close ends it, and leaves w open.
func Compressor(w io.Writer, name string) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(name, ".tar"):
		return nopWriteCloser{w}, nil
	case strings.HasSuffix(name, ".tgz"), strings.HasSuffix(name, ".gz"):
		return newPiecewise(w, gzipPiece), nil
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".tzst"):
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithWindowSize(pieceSize))
		if err != nil {
			return nil, err
		}
		return newPiecewise(w, func(raw []byte) ([]byte, error) { return enc.EncodeAll(raw, nil), nil }), nil
	}
	return nil, fmt.Errorf("%s: want an extension of .tar, .tgz, .tar.gz, .tar.zst or .tzst", name)
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

// gzipPiece makes a gzip member: a gzip file may have any number of them. Layers
// are compressed already, so little is won by trying hard.
func gzipPiece(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := zw.Write(raw); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// piecewise packs pieces of a stream beside each other. It is used by one goroutine;
// a second one writes, in order.
type piecewise struct {
	w     io.Writer
	pack  func([]byte) ([]byte, error)
	buf   []byte
	queue chan chan piece // closed by Close
	done  chan error      // the writer's end
	wrote bool
}

type piece struct {
	raw []byte
	err error
}

func newPiecewise(w io.Writer, pack func([]byte) ([]byte, error)) *piecewise {
	p := &piecewise{w: w, pack: pack, queue: make(chan chan piece, runtime.GOMAXPROCS(0)), done: make(chan error, 1)}
	go func() { p.done <- p.writeAll() }()
	return p
}

// writeAll writes until the queue ends, and empties it after an error.
func (p *piecewise) writeAll() error {
	var first error
	for next := range p.queue {
		one := <-next
		if first == nil {
			first = one.err
		}
		if first == nil {
			_, first = p.w.Write(one.raw)
		}
	}
	return first
}

// Write takes bytes. What the writer behind fails with is said by Close.
func (p *piecewise) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if p.buf == nil {
			p.buf = make([]byte, 0, pieceSize)
		}
		m := min(len(b)-n, pieceSize-len(p.buf))
		p.buf = append(p.buf, b[n:n+m]...)
		if n += m; len(p.buf) == pieceSize {
			p.send()
		}
	}
	return n, nil
}

func (p *piecewise) send() {
	raw, next := p.buf, make(chan piece, 1)
	p.buf, p.wrote = nil, true
	p.queue <- next // waits while many are under way
	go func() {
		packed, err := p.pack(raw)
		next <- piece{packed, err}
	}()
}

// Close packs the rest and waits for all.
func (p *piecewise) Close() error {
	if len(p.buf) > 0 || !p.wrote {
		p.send()
	}
	close(p.queue)
	return <-p.done
}
