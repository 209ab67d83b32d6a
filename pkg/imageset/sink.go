package imageset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

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
	fateComing // all bytes are there, and it is being hashed or committed
	fateCommitted
	fateBad
)

// maxOpen is how many staged files are open to be written, beside those that are
// hashed and committed. What comes in order needs one.
const maxOpen = 32

// A Sink takes the byte space of a Pack, in any order, and commits each wanted blob
// to the store as soon as it is complete. What was committed stays, whatever
// comes after, so that the next run sends only the rest. Write, WriteAt and Close are
// for one goroutine; Result is safe beside them.
type Sink struct {
	st    *store.Store
	blobs []store.Blob
	ends  []int64 // of the blobs in the byte space
	size  int64
	at    int64 // of the next Write

	arriving map[int]*arrival // by index in the pack: begun, and not whole
	open     []*arrival       // with an open file, the latest used last
	hashing  hasher
	commits  *committer

	mu    sync.Mutex
	fates []fate // by index in the pack
	err   error  // the first one of the disk
}

// An arrival is a wanted blob of which some bytes have come.
type arrival struct {
	stage *store.BlobStage
	there extents
	// The beginning until here is hashed, or given to the hasher.
	given int64
	// hashed is what is hashed. While it is given, the hasher does nothing with it.
	hashed atomic.Int64
}

// NewSink makes a sink for p. Blobs that want does not want are thrown away; a
// nil want wants all.
func NewSink(p Pack, st *store.Store, want func(store.Digest) bool) *Sink {
	s := &Sink{
		st: st, blobs: p.blobs, size: p.size, fates: make([]fate, len(p.blobs)),
		arriving: make(map[int]*arrival), commits: newCommitter(),
	}
	s.hashing.failed = func(err error) { _ = s.fail(err) }
	end := int64(0)
	for i, b := range p.blobs {
		end += b.Size
		s.ends = append(s.ends, end)
		if want == nil || want(b.Digest) {
			s.fates[i] = fateMissing
		}
	}
	return s
}

// Write takes the next bytes of the byte space.
func (s *Sink) Write(p []byte) (int, error) {
	n, err := s.WriteAt(p, s.at)
	s.at += int64(n)
	return n, err
}

// WriteAt takes bytes of the byte space from anywhere; those that came before are
// passed over. A blob with a wrong digest does not make it fail, see Result; an error
// of the disk, such as ENOSPC, does, and so does every call after it.
func (s *Sink) WriteAt(p []byte, off int64) (done int, err error) {
	for i := s.blobAt(off); ; i++ {
		if err := s.failed(); err != nil {
			return done, err
		}
		if done == len(p) {
			return done, nil
		}
		if i == len(s.blobs) || off < 0 {
			return done, fmt.Errorf("%w: more bytes than it has", ErrPack)
		}
		from := off + int64(done) - (s.ends[i] - s.blobs[i].Size) // in the blob
		part := p[done:min(int64(len(p)), s.ends[i]-off)]
		if len(part) == 0 {
			continue // a blob without bytes
		}
		if err := s.write(i, part, from); err != nil {
			return done, s.fail(err)
		}
		done += len(part)
	}
}

// blobAt returns the first blob that ends after an offset.
func (s *Sink) blobAt(off int64) int {
	return sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > off })
}

// write takes bytes of one blob.
func (s *Sink) write(i int, p []byte, from int64) error {
	a := s.arriving[i]
	if a == nil {
		if s.fate(i) != fateMissing {
			return nil
		}
		stage, err := s.st.StageBlob(s.blobs[i])
		if err != nil {
			return err
		}
		a = &arrival{stage: stage}
		s.arriving[i] = a
	}
	s.use(a)
	for _, e := range a.there.add(extent{from, from + int64(len(p))}) {
		part := p[e.from-from : e.to-from]
		if _, err := a.stage.WriteAt(part, e.from); err != nil {
			return err
		}
		if e.from == a.given && a.hashed.Load() == a.given { // in order: it is in the cache still
			a.stage.HashWritten(part)
			a.given = e.to
			a.hashed.Store(e.to)
		}
	}
	switch to := a.there.prefix(); {
	case to == s.blobs[i].Size:
		s.end(i, a)
	case to > a.given:
		a.given = to
		s.hashing.add(hashJob{of: a, to: to})
	}
	return nil
}

// use keeps few files open.
func (s *Sink) use(a *arrival) {
	if n := len(s.open); n > 0 && s.open[n-1] == a {
		return
	}
	s.open = slices.DeleteFunc(s.open, func(o *arrival) bool { return o == a })
	if len(s.open) == maxOpen {
		s.open[0].stage.Rest()
		s.open = slices.Delete(s.open, 0, 1)
	}
	s.open = append(s.open, a)
}

// end hands the complete blob over.
func (s *Sink) end(i int, a *arrival) {
	delete(s.arriving, i)
	s.setFate(i, fateComing)
	s.open = slices.DeleteFunc(s.open, func(o *arrival) bool { return o == a })
	s.hashing.add(hashJob{of: a, to: s.blobs[i].Size, whole: func(err error) {
		if err != nil {
			_ = s.fail(errors.Join(err, a.stage.Abort()))
			return
		}
		s.commits.commit(a.stage, func(err error) error { return s.committed(i, err) })
	}})
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
	s.hashing.wait()
	err = errors.Join(err, s.commits.wait())
	for i, a := range s.arriving {
		err = errors.Join(err, a.stage.Abort())
		delete(s.arriving, i)
	}
	s.open = nil
	err = s.fail(err) // the first one, which may have come before
	_ = s.fail(os.ErrClosed)
	return err
}

// commitEmpty brings in the blobs without bytes, for which no Write comes.
func (s *Sink) commitEmpty() error {
	for i, b := range s.blobs {
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
		switch d := s.blobs[i].Digest; f {
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

var (
	_ io.WriteCloser = (*Sink)(nil)
	_ io.WriterAt    = (*Sink)(nil)
)
