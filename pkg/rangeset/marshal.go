package rangeset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrFormat is wrapped by the errors of Parse.
var ErrFormat = errors.New("rangeset: not a set's encoding")

// Append appends the set's encoding to dst: the number of ranges, then for each
// the distance from the end of the one before (from 0 for the first) to its
// first number, and its length, all as unsigned varints (LEB128, as
// encoding/binary has them). A set has one encoding.
func (s *Set) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.r)))
	end := uint64(0)
	for _, r := range s.r {
		dst = binary.AppendUvarint(dst, r.First-end)
		dst = binary.AppendUvarint(dst, r.Len())
		end = r.End
	}
	return dst
}

// Parse reads an encoding, which must be all of b, of at most limit ranges. The
// error wraps ErrFormat. It allocates no more than b's own length justifies.
func Parse(b []byte, limit int) (Set, error) {
	n, b, err := uvarint(b)
	if err != nil {
		return Set{}, err
	}
	if n > uint64(limit) || n > uint64(len(b))/2 {
		return Set{}, fmt.Errorf("%w: %d ranges in %d bytes, %d permitted", ErrFormat, n, len(b), limit)
	}
	s := Set{r: make([]Range, 0, n)}
	end := uint64(0)
	for range n {
		var gap, length uint64
		if gap, b, err = uvarint(b); err != nil {
			return Set{}, err
		}
		if length, b, err = uvarint(b); err != nil {
			return Set{}, err
		}
		if gap == 0 && len(s.r) > 0 || length == 0 || gap > math.MaxUint64-end || length > math.MaxUint64-end-gap {
			return Set{}, fmt.Errorf("%w: a range of %d, %d after %d", ErrFormat, length, gap, end)
		}
		s.r = append(s.r, Range{end + gap, end + gap + length})
		end += gap + length
	}
	if len(b) > 0 {
		return Set{}, fmt.Errorf("%w: %d bytes after the last range", ErrFormat, len(b))
	}
	return s, nil
}

// uvarint takes a varint off the front of b. One with needless bytes is
// refused: a set has one encoding.
func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, fmt.Errorf("%w: a bad number in the last %d bytes", ErrFormat, len(b))
	}
	return v, b[n:], nil
}
