package imageset

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A source is a bundle being read: packed bytes, counted and summed, read ahead;
// unpacked; read ahead once more. Each arrow is a goroutine:
//
//	packed → unpack → ahead → tar
type source struct {
	packed   *packedReader
	first    *ahead
	unpack   io.ReadCloser
	unpacked *ahead
	head     *bufio.Reader // for a look at what comes
	tail     *tailReader   // what the tar reader reads
}

// newSource finds out how r is packed. total is its length, 0 when not known.
// sum says that its SHA-512 will be asked for.
func newSource(ctx context.Context, r io.Reader, total int64, sum string, progress func(read, total int64)) (*source, error) {
	s := &source{packed: &packedReader{cancelled: ctx.Err, r: r, total: total, progress: progress}}
	if sum != "" {
		s.packed.sum = sha512.New()
	}
	s.first = readAhead(s.packed, packedBuffer, packedBuffers)
	unpack, err := unpacker(bufio.NewReaderSize(s.first, 64<<10))
	if err != nil {
		s.first.Close()
		return nil, classify(err)
	}
	s.unpack = unpack
	s.unpacked = readAhead(&boundedReader{r: unpack, packed: &s.packed.n}, unpackedBuffer, unpackedBuffers)
	s.head = bufio.NewReaderSize(s.unpacked, sniffed)
	s.tail = &tailReader{r: s.head}
	return s, nil
}

// unpacker chooses by the first bytes.
func unpacker(r *bufio.Reader) (io.ReadCloser, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	switch packing(magic) {
	case packedGzip:
		return gzip.NewReader(r)
	case packedZstd:
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return zr.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// unpackerOf is unpacker for any reader.
func unpackerOf(r io.Reader) (io.ReadCloser, error) { return unpacker(bufio.NewReaderSize(r, 64<<10)) }

// packed is how bytes are compressed.
type packed uint8

const (
	packedNot packed = iota
	packedGzip
	packedZstd
)

// packing tells by the first four bytes.
func packing(magic []byte) packed {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return packedGzip
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return packedZstd
	}
	return packedNot
}

// finish reads what follows the archive: padding, and checksums.
func (s *source) finish(want string) error {
	if s.tail.zeros < 1024 {
		return fmt.Errorf("%w: no end-of-archive mark", ErrTruncated)
	}
	if err := s.drain(); err != nil {
		return err
	}
	if want == "" {
		return nil
	}
	return sumMatches(s.packed.sum, want)
}

// sumMatches compares with a sum in hexadecimal.
func sumMatches(h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("%w: it is %s…, not %s…", ErrCheckSum, got[:16], want[:min(16, len(want))])
	}
	return nil
}

// sumIs reads r to its end and compares its SHA-512; cancelled is asked between.
func sumIs(r io.Reader, want string, cancelled func() error) error {
	h := sha512.New()
	if _, err := io.Copy(h, &packedReader{cancelled: cancelled, r: r}); err != nil {
		return err
	}
	return sumMatches(h, want)
}

func (s *source) drain() error {
	buf := make([]byte, 64<<10)
	for left := maxTrailing; ; {
		n, err := s.tail.Read(buf)
		left -= n
		if left < 0 || len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return fmt.Errorf("%w: data after the end of the archive", ErrCorrupt)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return classify(err)
		}
	}
	if n, err := s.first.Read(buf); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: data after the end of the archive", ErrCorrupt)
	}
	return nil
}

// Close ends the goroutines, the last one first.
func (s *source) Close() error {
	// The decoder's goroutine may wait in a read of the first chain, which goes
	// on until the end of that buffer at most.
	s.unpacked.Close()
	s.unpack.Close()
	return s.first.Close()
}

// A packedReader reads the source as it lies on disk. It is the only one that
// sees the context: when that ends, so does the whole pipeline.
type packedReader struct {
	cancelled func() error // the context's Err
	r         io.Reader
	n         atomic.Int64 // bytes read
	total     int64
	sum       hash.Hash // or nil
	progress  func(read, total int64)
}

// A readError is of the source itself: the disk or the network.
type readError struct{ err error }

func (e *readError) Error() string { return "reading the bundle: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

func (p *packedReader) Read(b []byte) (int, error) {
	if err := p.cancelled(); err != nil {
		return 0, &readError{err}
	}
	n, err := p.r.Read(b)
	if p.sum != nil {
		p.sum.Write(b[:n])
	}
	read := p.n.Add(int64(n))
	if p.progress != nil && n > 0 {
		p.progress(read, p.total)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{errors.Join(err, p.cancelled())}
	}
	return n, err
}

// A boundedReader refuses what unpacks to more than an image would.
type boundedReader struct {
	r      io.Reader
	packed *atomic.Int64
	n      int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > maxUnpacked || b.n > ratioApplies && b.n/maxRatio > b.packed.Load() {
		return 0, fmt.Errorf("%w: %d bytes unpack to more than %d", ErrTooLarge, b.packed.Load(), b.n)
	}
	return n, err
}

// A tailReader counts the zero bytes at the end of what was read so far. A tar
// ends with 1024 of them; archive/tar also takes the end of the stream.
type tailReader struct {
	r     io.Reader
	zeros int64
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	end := int64(n - len(bytes.TrimRight(p[:n], "\x00")))
	if end == int64(n) {
		end += t.zeros
	}
	t.zeros = end
	return n, err
}

// classify turns what the decoders say into the errors of this package.
func classify(err error) error {
	var read *readError
	switch {
	case errors.As(err, &read):
		return read
	case errors.Is(err, ErrTooLarge):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
