package transfer

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// ErrSource is wrapped by errors of reading what is to be sent.
var ErrSource = errors.New("transfer: reading the source")

// sourceEvents are what a reader tells. They are called on its goroutine and may
// wait.
type sourceEvents interface {
	// blockRead gives a block that was asked for. It is the receiver's to put
	// back.
	blockRead(*blockBuffer)
	// blockMissing says that the stream ended before a block that was asked for.
	blockMissing(wire.Block)
	// segmentRead gives the digests, in order.
	segmentRead(number uint32, d wire.Digest)
	// sourceEnded comes once, after the last segment's digest.
	sourceEnded(wire.End)
}

// A sourceReader cuts a source into blocks and hashes its segments: once and in
// order, whichever blocks are asked for.
type sourceReader struct {
	g    wire.Geometry
	src  Source
	pool *blockPool
	to   sourceEvents

	survey  <-chan struct{} // asks for all digests; nil: nobody does
	in      *bufio.Reader
	size    int64 // read so far
	blocks  wire.Block
	ended   bool
	sums    Summer
	root    *wire.RootHash
	count   uint32       // segments
	skipped *blockBuffer // for blocks that nobody asked for
}

func newSourceReader(g wire.Geometry, src Source, pool *blockPool, to sourceEvents) *sourceReader {
	r := &sourceReader{
		g: g, src: src, pool: pool, to: to,
		in:   bufio.NewReaderSize(src.Reader, 64<<10),
		sums: src.Sums, root: wire.NewRootHash(),
	}
	if r.sums == nil {
		r.sums = plainSums{sha256.New()}
	}
	return r
}

// run reads the blocks that are asked for, until asked is closed or an error. An
// empty file ends without being asked.
func (r *sourceReader) run(asked <-chan wire.Block) error {
	if !r.src.isStream() && r.src.Size == 0 {
		if _, err := r.next(nil); err != nil {
			return err
		}
	}
	for {
		var err error
		select {
		case n, ok := <-asked:
			if !ok {
				return nil
			}
			err = r.read(n)
		case <-r.survey:
			err = r.readAhead(asked)
		}
		if err != nil {
			return err
		}
	}
}

// readAhead reads a file to its end, for the digests, or until a block is asked for.
func (r *sourceReader) readAhead(asked <-chan wire.Block) error {
	for !r.ended {
		select {
		case n, ok := <-asked:
			if !ok {
				return nil
			}
			return r.read(n)
		default:
		}
		if err := r.skip(); err != nil {
			return err
		}
		if r.skipped.last {
			return r.finish()
		}
	}
	return nil
}

// skip reads the next block for its digest only.
func (r *sourceReader) skip() error {
	if r.skipped == nil {
		r.skipped = &blockBuffer{data: make([]byte, r.g.BlockSize())}
	}
	_, err := r.next(r.skipped)
	return err
}

// read gives block n.
func (r *sourceReader) read(n wire.Block) error {
	for r.blocks < n && !r.ended {
		if err := r.skip(); err != nil {
			return err
		}
	}
	b := r.pool.take()
	if b == nil {
		panic("transfer: more blocks are asked for than there are buffers")
	}
	ok := true
	var err error
	switch {
	case n == r.blocks && !r.ended:
		ok, err = r.next(b)
	case n < r.blocks && !r.src.isStream():
		err = reread(r.g, r.src, n, b)
	default:
		ok = false
	}
	if !ok || err != nil {
		r.pool.put(b)
		b = nil
	}
	switch {
	case err != nil:
		return err
	case b == nil:
		r.to.blockMissing(n)
		return nil
	}
	r.to.blockRead(b)
	if b.last && !r.ended {
		return r.finish()
	}
	return nil
}

// hasMore waits for the next byte: whether a block is the last one has to be
// known before it is sent.
func (r *sourceReader) hasMore() (bool, error) {
	_, err := r.in.Peek(1)
	switch {
	case err == nil:
		return true, nil
	case err == io.EOF:
		return false, nil
	}
	return false, fmt.Errorf("%w: %w", ErrSource, err)
}

// next reads the next block of the stream into b; ok is false when there is none.
func (r *sourceReader) next(b *blockBuffer) (ok bool, err error) {
	more, err := r.hasMore()
	if err != nil {
		return false, err
	}
	if !more {
		return false, r.finish()
	}
	if b == nil || r.size+1 > r.bound() {
		return false, r.tooLong()
	}
	n, err := io.ReadFull(r.in, b.data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	clear(b.data[n:])
	if r.size += int64(n); r.size > r.bound() {
		return false, r.tooLong()
	}
	if more, err = r.hasMore(); err != nil {
		return false, err
	}
	b.number, b.size, b.last = r.blocks, n, !more
	r.blocks++
	if _, err := r.sums.Write(b.data[:n]); err != nil {
		return false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if b.last || r.blocks%wire.SegmentBlocks == 0 {
		r.endSegment()
	}
	return true, nil
}

// bound returns the most bytes that the source may have.
func (r *sourceReader) bound() int64 {
	if r.src.isStream() {
		return int64(r.g.MaxSize())
	}
	return r.src.Size
}

func (r *sourceReader) tooLong() error {
	if r.src.isStream() {
		return fmt.Errorf("%w: it has more than the %d bytes that a session carries", ErrSource, r.bound())
	}
	return fmt.Errorf("%w: it grows: it had %d bytes, and has more", ErrSource, r.bound())
}

func (r *sourceReader) endSegment() {
	d := wire.Digest(r.sums.Sum())
	r.root.Add(d)
	r.count++
	r.to.segmentRead(r.count-1, d)
}

func (r *sourceReader) finish() error {
	if !r.src.isStream() && r.size != r.src.Size {
		return fmt.Errorf("%w: it ended after %d of %d bytes", ErrSource, r.size, r.src.Size)
	}
	if !r.ended {
		r.ended = true
		r.to.sourceEnded(wire.End{Size: uint64(r.size), Segments: r.count, Root: r.root.Sum(uint64(r.size))})
	}
	return nil
}

// reread fills b with block n of a source that can be read again.
func reread(g wire.Geometry, src Source, n wire.Block, b *blockBuffer) error {
	from := int64(n) * int64(g.BlockSize())
	b.number, b.size = n, int(min(int64(g.BlockSize()), src.Size-from))
	b.last = from+int64(b.size) == src.Size
	if err := readAgain(src, b.data[:b.size], from); err != nil {
		return err
	}
	clear(b.data[b.size:])
	return nil
}

// readAgain reads all of p.
func readAgain(src Source, p []byte, at int64) error {
	if n, err := src.Again.ReadAt(p, at); n < len(p) {
		return fmt.Errorf("%w: again at %d: %w", ErrSource, at, err)
	}
	return nil
}
