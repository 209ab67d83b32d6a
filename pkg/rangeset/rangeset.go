// Package rangeset has sets of numbers as sorted lists of ranges: which packets
// or blocks a host holds, or lacks. A set of a million neighbours is one range.
//
// The numbers are below 2^64-1, so that a range's end always is one as well.
package rangeset

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
)

// A Range is the numbers from First up to, not including, End.
type Range struct{ First, End uint64 }

// Len returns the numbers in r.
func (r Range) Len() uint64 { return r.End - r.First }

// A Set is a set of numbers. The zero value is empty. A copy shares memory with
// its original: only one of the two may change after. Not safe for concurrent
// use.
type Set struct {
	r []Range // sorted; First < End; the End of each < the First of the next
}

// Of returns the set of the numbers in ranges, in any order.
func Of(ranges ...Range) Set {
	var s Set
	for _, r := range ranges {
		s.Add(r.First, r.End)
	}
	return s
}

// Add adds the numbers from first up to, not including, end; none when end is
// not above first.
func (s *Set) Add(first, end uint64) {
	if end <= first {
		return
	}
	// from is the first range that touches the new one, to the first after it.
	from := s.search(first)
	if from > 0 && s.r[from-1].End == first {
		from--
	}
	to := from
	for ; to < len(s.r) && s.r[to].First <= end; to++ {
		first, end = min(first, s.r[to].First), max(end, s.r[to].End)
	}
	if from < len(s.r) && to == from+1 { // the usual case: one range grows
		s.r[from] = Range{first, end}
		return
	}
	s.r = slices.Replace(s.r, from, to, Range{first, end})
}

// Remove removes the numbers from first up to, not including, end.
func (s *Set) Remove(first, end uint64) {
	if end <= first {
		return
	}
	from := s.search(first)
	to := from
	var left [2]Range
	rest := left[:0]
	for ; to < len(s.r) && s.r[to].First < end; to++ {
		if r := s.r[to]; r.First < first {
			rest = append(rest, Range{r.First, first})
		}
		if r := s.r[to]; r.End > end {
			rest = append(rest, Range{end, r.End})
		}
	}
	s.r = slices.Replace(s.r, from, to, rest...)
}

// search returns the place of the first range that ends after n.
func (s *Set) search(n uint64) int {
	if k := len(s.r); k > 0 && s.r[k-1].First <= n { // most of what is asked is the newest
		if s.r[k-1].End > n {
			return k - 1
		}
		return k
	}
	return sort.Search(len(s.r), func(i int) bool { return s.r[i].End > n })
}

// Contains reports whether n is in the set.
func (s *Set) Contains(n uint64) bool {
	i := s.search(n)
	return i < len(s.r) && s.r[i].First <= n
}

// Missing iterates in order over the ranges of within that are not in the set.
// The set must not change meanwhile.
func (s *Set) Missing(within Range) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		first := within.First
		for i := s.search(first); i < len(s.r) && s.r[i].First < within.End; i++ {
			if gap := (Range{first, s.r[i].First}); gap.First < gap.End && !yield(gap) {
				return
			}
			first = s.r[i].End
		}
		if first < within.End {
			yield(Range{first, within.End})
		}
	}
}

// All iterates over the set's ranges in order; none touches the next. The set
// must not change meanwhile.
func (s *Set) All() iter.Seq[Range] { return slices.Values(s.r) }

// Len returns the number of numbers in the set.
func (s *Set) Len() uint64 {
	var n uint64
	for _, r := range s.r {
		n += r.Len()
	}
	return n
}

// Ranges returns the number of ranges, which is what the set's size in memory
// and on the wire goes by.
func (s *Set) Ranges() int { return len(s.r) }

// End returns one past the greatest number, 0 when the set is empty.
func (s *Set) End() uint64 {
	if len(s.r) == 0 {
		return 0
	}
	return s.r[len(s.r)-1].End
}

// String returns the ranges as in "0-3 7": numbers up to and including the
// second.
func (s *Set) String() string {
	var b strings.Builder
	for i, r := range s.r {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d", r.First)
		if r.Len() > 1 {
			fmt.Fprintf(&b, "-%d", r.End-1)
		}
	}
	return b.String()
}
