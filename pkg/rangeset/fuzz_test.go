package rangeset

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse: what is accepted has one encoding, and is a set.
func FuzzParse(f *testing.F) {
	s := Of(Range{1, 2}, Range{5, 300})
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b, 100)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		checkInvariant(t, &s)
		if got := s.Append(nil); !bytes.Equal(got, b) || s.Ranges() > 100 {
			t.Fatalf("%x was %x", got, b)
		}
	})
}

// FuzzSet: any steps have the same effect on an array of bits. A step is three
// bytes: what to do, the first number and how many.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 5, 3, 1, 6, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var s Set
		var model [512]bool
		for ; len(steps) >= 3; steps = steps[3:] {
			isAdd, first, n := steps[0]%2 == 0, uint64(steps[1]), uint64(steps[2])
			if isAdd {
				s.Add(first, first+n)
			} else {
				s.Remove(first, first+n)
			}
			for i := first; i < first+n; i++ {
				model[i] = isAdd
			}
			checkInvariant(t, &s)
		}
		length := uint64(0)
		for i, want := range model {
			if s.Contains(uint64(i)) != want {
				t.Fatalf("%v: %d: got %t", &s, i, !want)
			}
			if want {
				length++
			}
		}
		gaps := Range{0, uint64(len(model))}.Len() - length
		for r := range s.Missing(Range{0, uint64(len(model))}) {
			gaps -= r.Len()
			if model[r.First] || model[r.End-1] {
				t.Fatalf("%v: %v is said to be missing", &s, r)
			}
		}
		if s.Len() != length || gaps != 0 {
			t.Fatalf("%v: %d numbers, want %d; %d of the missing not told", &s, s.Len(), length, gaps)
		}
	})
}

func checkInvariant(t *testing.T, s *Set) {
	t.Helper()
	for i, r := range s.r {
		if r.First >= r.End || i > 0 && s.r[i-1].End >= r.First {
			t.Fatalf("range %d of %v", i, s.r)
		}
	}
}
