package imageset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// A SinkResult says what became of the blobs that a Sink wanted. Each of them
// is in exactly one of the lists, in the pack's order.
type SinkResult struct {
	Committed []store.Digest
	Bad       []store.Digest // all bytes came, and were wrong
	Missing   []store.Digest // not complete, or not on disk
	Err       error          // of the disk, the first one
}

// fate is what became of a wanted blob.
type fate uint8

const (
	fateUnwanted fate = iota
	fateMissing
	fateComing // all bytes are there, and it is being committed
	fateCommitted
	fateBad
)

const (
	// maxOpen is how many staged files are open to be written, beside those that are
	// committed. What comes in order needs one.
	maxOpen = 32
	// commitsWaiting is how many complete blobs may wait to be committed before writing
	// waits for them: so long the disk may be behind the network.
	commitsWaiting = 32
)

// A Sink takes the byte space of a Pack and commits each wanted blob to the store as soon
// as it is complete. What was committed stays, whatever comes after, so that the next run
// sends only the rest. It comes in one of two ways: in order, by Write, or in segments of
// which each is proven by itself, in any order, by WriteSegment. All methods but Result
// are for one goroutine; Result is safe beside them.
type Sink struct {
	st   *store.Store
	pack Pack
	at   int64 // of the next Write

	arriving map[int]*store.BlobStage // by index in the pack: begun, and not whole
	open     []*store.BlobStage       // with an open file, the latest used last
	commits  *committer

	mu    sync.Mutex
	fates []fate // by index in the pack
	err   error  // the first one of the disk
}

// NewSink makes a sink for p. Blobs that want does not want are thrown away; a
// nil want wants all.
func NewSink(p Pack, st *store.Store, want func(store.Digest) bool) *Sink {
	s := &Sink{
		st: st, pack: p, fates: make([]fate, len(p.blobs)),
		arriving: make(map[int]*store.BlobStage), commits: newCommitter(commitsWaiting),
	}
	for i, b := range p.blobs {
		if want == nil || want(b.Digest) {
			s.fates[i] = fateMissing
		}
	}
	return s
}

// Write takes the next bytes of the byte space, and hashes those that are wanted. A blob
// with a wrong digest does not make it fail, see Result; an error of the disk, such as
// ENOSPC, does, and so does every call after it.
func (s *Sink) Write(p []byte) (done int, err error) {
	if err := s.failed(); err != nil {
		return 0, err
	}
	whole := int(min(int64(len(p)), s.pack.size-s.at))
	for c := range s.pack.parts(s.at, whole) {
		if err := s.failed(); err != nil {
			return c.from, err
		}
		if err := s.write(c, p[c.from:c.to]); err != nil {
			return c.from, s.fail(err)
		}
	}
	s.at += int64(whole)
	if whole < len(p) {
		err = fmt.Errorf("%w: more bytes than it has", ErrPack)
	}
	return whole, err
}

// write takes a piece in order.
func (s *Sink) write(c part, p []byte) error {
	stage, err := s.stage(c.blob)
	if stage == nil || err != nil {
		return err
	}
	if _, err := stage.WriteAt(p, c.at); err != nil {
		return err
	}
	stage.HashWritten(p)
	if c.isLast(s.pack) {
		s.end(c.blob, stage)
	}
	return nil
}

// WriteSegment takes the bytes of a segment from anywhere, which begins and ends at
// multiples of midstate.BlockSize, or with the pack. sum is its sum and before that of the segment
// before it, as a Summer made them. It reports false when one of the wanted blobs is not
// right in it, and the segment has to come again; blobs that are not wanted are not
// looked at. What came before is passed over. Errors are as Write's.
func (s *Sink) WriteSegment(p []byte, off int64, before, sum [sha256.Size]byte) (isGood bool, err error) {
	if off < 0 || int64(len(p)) > s.pack.size-off {
		return false, fmt.Errorf("%w: %d bytes at %d, of %d", ErrPack, len(p), off, s.pack.size)
	}
	if err := s.failed(); err != nil {
		return false, err
	}
	for c := range s.pack.parts(off, len(p)) {
		switch err := s.prove(c, p[c.from:c.to], before, sum); {
		case errors.Is(err, store.ErrDigestMismatch):
			return false, nil
		case err != nil:
			return false, s.fail(err)
		}
	}
	return true, nil
}

// prove takes a piece of a segment.
func (s *Sink) prove(c part, p []byte, before, sum midstate.State) error {
	stage, err := s.stage(c.blob)
	if stage == nil || err != nil {
		return err
	}
	if err := stage.WriteProven(p, c.at, before, sum); err != nil {
		return err
	}
	if stage.IsProven() {
		s.end(c.blob, stage)
	}
	return nil
}

// stage returns where a blob is written to, nil when it is not to be written.
func (s *Sink) stage(i int) (stage *store.BlobStage, err error) {
	stage = s.arriving[i]
	if stage == nil {
		if s.fate(i) != fateMissing {
			return nil, nil
		}
		if stage, err = s.st.StageBlob(s.pack.blobs[i]); err != nil {
			return nil, err
		}
		s.arriving[i] = stage
	}
	s.use(stage)
	return stage, nil
}

// use keeps few files open.
func (s *Sink) use(stage *store.BlobStage) {
	if n := len(s.open); n > 0 && s.open[n-1] == stage {
		return
	}
	s.unuse(stage)
	if len(s.open) == maxOpen {
		s.open[0].Rest()
		s.open = slices.Delete(s.open, 0, 1)
	}
	s.open = append(s.open, stage)
}

func (s *Sink) unuse(stage *store.BlobStage) {
	s.open = slices.DeleteFunc(s.open, func(o *store.BlobStage) bool { return o == stage })
}

// end hands the complete blob over.
func (s *Sink) end(i int, stage *store.BlobStage) {
	delete(s.arriving, i)
	s.setFate(i, fateComing)
	s.unuse(stage)
	s.commits.commit(stage, func(err error) error { return s.committed(i, err) })
}

// committed notes what Commit said. Wrong bytes are that blob's alone.
func (s *Sink) committed(i int, err error) error {
	switch {
	case err == nil:
		s.setFate(i, fateCommitted)
		return nil
	case errors.Is(err, store.ErrDigestMismatch):
		s.setFate(i, fateBad)
		return nil
	}
	return s.fail(err)
}

// Close waits for the commits under way and throws away the blobs that are not
// complete. It returns the error of the disk, if there was one; that blobs are
// missing is not an error here.
func (s *Sink) Close() error {
	err := s.commitEmpty()
	err = errors.Join(err, s.commits.wait())
	for i, stage := range s.arriving {
		err = errors.Join(err, stage.Abort())
		delete(s.arriving, i)
	}
	s.open = nil
	err = s.fail(err) // the first one, which may have come before
	_ = s.fail(os.ErrClosed)
	return err
}

// commitEmpty brings in the blobs without bytes, for which no Write comes.
func (s *Sink) commitEmpty() error {
	for i, b := range s.pack.blobs {
		if b.Size > 0 || s.fate(i) != fateMissing || s.failed() != nil {
			continue
		}
		stage, err := s.st.StageBlob(b)
		if err != nil {
			return err
		}
		s.commits.commit(stage, func(err error) error { return s.committed(i, err) })
	}
	return nil
}

// Result returns what became of the blobs; what is under way counts as missing,
// so it is final after Close.
func (s *Sink) Result() SinkResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r SinkResult
	for i, f := range s.fates {
		switch d := s.pack.blobs[i].Digest; f {
		case fateCommitted:
			r.Committed = append(r.Committed, d)
		case fateBad:
			r.Bad = append(r.Bad, d)
		case fateMissing, fateComing:
			r.Missing = append(r.Missing, d)
		}
	}
	if !errors.Is(s.err, os.ErrClosed) {
		r.Err = s.err
	}
	return r
}

// fail keeps the first error and returns that.
func (s *Sink) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.err
}

func (s *Sink) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Sink) fate(i int) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fates[i]
}

func (s *Sink) setFate(i int, f fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fates[i] = f
}

var _ io.WriteCloser = (*Sink)(nil)
