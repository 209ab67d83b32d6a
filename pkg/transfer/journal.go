package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// ErrJournalBusy is returned when another process writes the same file.
var ErrJournalBusy = errors.New("transfer: another receiver writes this file")

// A Journal tells which segments of a file were verified and written, so that
// another session need not send them again. It is a help and no proof: what it names
// is read and hashed anew, and counts only if the sender tells the same digests.
//
// It is a file of lines. The first says of what:
//
//	daisy-mcast journal 1 payload 1432 size 4210000000
//
// and each other one has a segment's number and its SHA-256:
//
//	17 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//
// Of two lines for a segment the later one counts. A line that is cut off or wrong
// ends the journal. Safe for concurrent use.
type Journal struct {
	mu       sync.Mutex
	f        *os.File // locked; nil after Close
	head     string
	segments map[uint32]wire.Digest
	isBroken bool // a stream's, or writing failed: it tells nothing of what comes later
}

// maxJournal bounds what is read of a journal: all segments twice.
const maxJournal = 2 * wire.MaxSegments * 75

// OpenJournal opens a journal or makes an empty one. It is this process's until
// Close.
func OpenJournal(name string) (*Journal, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = &os.PathError{Op: "locking", Path: name, Err: ErrJournalBusy}
		}
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	j := &Journal{f: f}
	j.head, j.segments = parseJournal(text)
	return j, nil
}

// parseJournal returns what is right of a journal.
func parseJournal(text []byte) (head string, segments map[uint32]wire.Digest) {
	segments = make(map[uint32]wire.Digest)
	first, text, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return "", segments
	}
	for {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		number, digest, has := bytes.Cut(line, []byte(" "))
		n, err := strconv.ParseUint(string(number), 10, 32)
		var d wire.Digest
		if !ok || !has || err != nil || n >= wire.MaxSegments || hex.DecodedLen(len(digest)) != len(d) {
			return string(first), segments
		}
		if _, err := hex.Decode(d[:], digest); err != nil {
			return string(first), segments
		}
		segments[uint32(n)] = d
		text = rest
	}
}

func journalHead(g wire.Geometry, size uint64) string {
	return fmt.Sprintf("daisy-mcast journal 1 payload %d size %d", g.Payload, size)
}

// isOf reports whether it is the journal of a file of the same size, cut alike.
func (j *Journal) isOf(w wire.Welcome) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return w.Mode == wire.File && journalHead(w.Geometry, w.Size) == j.head
}

// begin makes it the journal of a file, and reports whether it was that of one of the
// same size and cut before; else it is empty now. One of a stream stays empty.
func (j *Journal) begin(w wire.Welcome) (isSame bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	head := journalHead(w.Geometry, w.Size)
	if w.Mode == wire.File && head == j.head {
		return true, nil
	}
	j.head = head
	j.isBroken = w.Mode != wire.File
	clear(j.segments)
	return false, j.rewrite()
}

// rewrite makes the file what the journal is. It is not on the disk then: a journal
// that is lost costs the sending again of what it named.
func (j *Journal) rewrite() error {
	text := []byte(j.head + "\n")
	for _, n := range slices.Sorted(maps.Keys(j.segments)) {
		text = appendLine(text, n, j.segments[n])
	}
	err := j.f.Truncate(0)
	if err == nil {
		_, err = j.f.Write(text)
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

func appendLine(b []byte, n uint32, d wire.Digest) []byte {
	b = strconv.AppendUint(b, uint64(n), 10)
	return append(hex.AppendEncode(append(b, ' '), d[:]), '\n')
}

// add notes a segment that is verified and written. That the journal cannot be
// written is not the transfer's fault.
func (j *Journal) add(n uint32, d wire.Digest) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.isBroken {
		j.segments[n] = d
		_, err := j.f.Write(appendLine(make([]byte, 0, 80), n, d))
		j.isBroken = err != nil
	}
}

// drop forgets segments.
func (j *Journal) drop(numbers []uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range numbers {
		delete(j.segments, n)
	}
	if len(numbers) > 0 {
		j.isBroken = j.rewrite() != nil
	}
}

// Len returns how many segments it names.
func (j *Journal) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.segments)
}

// Close ends the writing; the file stays.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}

// A heldSegment is one whose bytes are in a file.
type heldSegment struct {
	number uint32
	digest wire.Digest
}

// recheck reads the segments that the journal names, and returns those whose bytes
// are what it says, ascending (faults 8, 23, 24); the others it forgets. It ends early,
// with nothing, when quit is closed.
func (j *Journal) recheck(g wire.Geometry, size uint64, from io.ReaderAt, quit <-chan struct{}) (held []heldSegment, spoiled int) {
	j.mu.Lock()
	named := maps.Clone(j.segments)
	j.mu.Unlock()
	buf := make([]byte, g.SegmentSize())
	var wrong []uint32
	for _, n := range slices.Sorted(maps.Keys(named)) {
		select {
		case <-quit:
			return nil, 0
		default:
		}
		b := buf[:segmentLen(g, size, n)]
		at := int64(n) * int64(g.SegmentSize())
		// A read that ends too early is as good a reason as any other error.
		if m, _ := from.ReadAt(b, at); m == len(b) && m > 0 && sha256.Sum256(b) == named[n] {
			held = append(held, heldSegment{n, named[n]})
		} else {
			wrong = append(wrong, n)
		}
	}
	j.drop(wrong)
	return held, len(wrong)
}

// segmentLen returns the bytes of a segment, 0 of one past the end.
func segmentLen(g wire.Geometry, size uint64, n uint32) int {
	full := uint64(g.SegmentSize())
	from := uint64(n) * full
	return int(min(full, size-min(size, from)))
}

// blocksOf returns the blocks of segments, of the first ranges only where there are
// too many for one RESUME.
func blocksOf(g wire.Geometry, size uint64, segments []uint32) (blocks rangeset.Set) {
	total := uint64(g.Blocks(size))
	for _, n := range segments {
		first := uint64(n) * wire.SegmentBlocks
		if blocks.Ranges() == wire.MaxRanges && blocks.End() != first {
			break
		}
		blocks.Add(first, min(first+wire.SegmentBlocks, total))
	}
	return blocks
}
