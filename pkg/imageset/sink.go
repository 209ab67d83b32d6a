package imageset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

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
	fateCommitted
	fateBad
)

// A Sink takes the byte space of a Pack, in order, and commits each wanted blob
// to the store as soon as it is complete. What was committed stays, whatever
// comes after, so that the next run sends only the rest. Write and Close are for
// one goroutine; Result is safe beside them.
type Sink struct {
	st    *store.Store
	blobs []store.Blob
	next  int               // index of the blob being written
	n     int64             // bytes of it that came: 0 <= n <= its size
	begun bool              // w is set, or the blob is not wanted
	w     *store.BlobWriter // nil when the blob is not wanted

	commits *committer

	mu    sync.Mutex
	fates []fate // by index in the pack
	err   error  // the first one of the disk
}

// NewSink makes a sink for p. Blobs that want does not want are thrown away; a
// nil want wants all.
func NewSink(p Pack, st *store.Store, want func(store.Digest) bool) *Sink {
	s := &Sink{st: st, blobs: p.blobs, fates: make([]fate, len(p.blobs)), commits: newCommitter()}
	for i, b := range p.blobs {
		if want == nil || want(b.Digest) {
			s.fates[i] = fateMissing
		}
	}
	return s
}

// Write takes the next bytes of the byte space. A blob with a wrong digest does
// not make it fail, see Result; an error of the disk, such as ENOSPC, does, and
// so does every Write after it.
func (s *Sink) Write(p []byte) (int, error) {
	done := 0
	for {
		if err := s.failed(); err != nil {
			return done, err
		}
		if s.next == len(s.blobs) && done < len(p) {
			return done, fmt.Errorf("%w: more bytes than it has", ErrPack)
		}
		// A blob without bytes is complete as soon as the one before it is.
		if s.next == len(s.blobs) || done == len(p) && s.blobs[s.next].Size > s.n {
			return done, nil
		}
		n, err := s.write(p[done:])
		done += n
		if err != nil {
			return done, s.fail(err)
		}
	}
}

// write takes bytes of one blob only.
func (s *Sink) write(p []byte) (n int, err error) {
	b := s.blobs[s.next]
	if !s.begun {
		if s.w, err = s.begin(b); err != nil {
			return 0, err
		}
		s.begun = true
	}
	n = int(min(int64(len(p)), b.Size-s.n))
	if s.w != nil && n > 0 {
		if n, err = s.w.Write(p[:n]); err != nil {
			return n, err
		}
	}
	if s.n += int64(n); s.n == b.Size {
		s.end()
	}
	return n, nil
}

func (s *Sink) begin(b store.Blob) (*store.BlobWriter, error) {
	if s.fate(s.next) == fateUnwanted {
		return nil, nil
	}
	return s.st.NewBlob(b)
}

// end hands the complete blob over and goes on to the next.
func (s *Sink) end() {
	if s.w != nil {
		i := s.next
		s.commits.commit(s.w, func(err error) error { return s.committed(i, err) })
	}
	s.next, s.n, s.begun, s.w = s.next+1, 0, false, nil
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

// Close waits for the commits under way and throws away a blob that is not
// complete. It returns the error of the disk, if there was one; that blobs are
// missing is not an error here.
func (s *Sink) Close() error {
	var err error
	if s.failed() == nil && s.n == 0 {
		_, err = s.Write(nil) // a pack may end, or be nothing but, blobs without bytes
	}
	if s.w != nil {
		err = errors.Join(err, s.w.Abort())
		s.w = nil
	}
	err = errors.Join(err, s.commits.wait())
	err = s.fail(err) // the first one, which may have come before
	_ = s.fail(os.ErrClosed)
	return err
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
		case fateMissing:
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
