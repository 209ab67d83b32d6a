package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/midstate"
)

// FAULTS 26: the quota is exceeded, with a byte or only when the disk is asked for
// good.
func TestFault26QuotaExceeded(t *testing.T) { testDiskFault(t, syscall.EDQUOT) }

// FAULTS 22: the disk cannot write, and says so at once or only at fsync.
func TestFault22EIOOnWrite(t *testing.T) { testDiskFault(t, syscall.EIO) }

// FAULTS 21: the filesystem becomes read-only while a blob comes in, as ext4 does
// after an error.
func TestFault21ReadOnlyMeanwhile(t *testing.T) { testDiskFault(t, syscall.EROFS) }

// testDiskFault has the disk fail, for a blob that comes in order and for one that
// does not. The error is the system's, nothing of the blob is left, others stay.
func testDiskFault(t *testing.T, errno syscall.Errno) {
	for how, put := range map[string]func(*Store, Blob, []byte) error{"in order": putInOrder, "in any order": putBackwards} {
		testDiskFaultOf(t, how, errno, put)
	}
}

// putInOrder writes a blob as an import does.
func putInOrder(s *Store, b Blob, data []byte) error {
	w, err := s.NewBlob(b)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// putBackwards writes a blob as an agent does.
func putBackwards(s *Store, b Blob, data []byte) error {
	g, err := s.StageBlob(b)
	if err != nil {
		return err
	}
	states := statesOf(data)
	half := len(data) / 2 / midstate.BlockSize * midstate.BlockSize
	err = g.WriteProven(data[half:], int64(half), states[half], midstate.State{})
	if err == nil {
		err = g.WriteProven(data[:half], 0, midstate.State{}, states[half])
	}
	if err != nil {
		return errors.Join(err, g.Abort())
	}
	return g.Commit()
}

func testDiskFaultOf(t *testing.T, how string, errno syscall.Errno, put func(*Store, Blob, []byte) error) {
	for name, fault := range map[string]hooks{
		"write": {write: func(f io.Writer, p []byte) (int, error) {
			n, err := f.Write(p[:1])
			return n, errors.Join(err, errno)
		}},
		"fsync": {fsync: func(*os.File) error { return errno }},
	} {
		s := newTestStore(t)
		set := activate(t, s, "one")
		data := bytes.Repeat([]byte("one byte too many"), 10)
		b := Blob{DigestOf(data), int64(len(data))}
		s.testOnly = fault
		name += ", " + how
		if err := put(s, b, data); !errors.Is(err, errno) {
			t.Errorf("%s: got %v", name, err)
		}
		other, _ := fakeSet(t, "two")
		if err := s.PutSet(other); !errors.Is(err, errno) {
			t.Errorf("%s: set: %v", name, err)
		}
		if _, err := s.Stat(b.Digest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the blob is there: %v", name, err)
		}
		if left := staged(t, s); len(left) > 0 {
			t.Errorf("%s: left over: %v", name, left)
		}
		s.testOnly = hooks{}
		checkServable(t, s, set)
	}
}
