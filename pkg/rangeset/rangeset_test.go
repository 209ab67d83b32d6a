package rangeset

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestAddAndRemove(t *testing.T) {
	type step struct {
		add        bool
		first, end uint64
		want       string
	}
	const add, remove = true, false
	for name, steps := range map[string][]step{
		"in order": {
			{add, 0, 1, "0"}, {add, 1, 2, "0-1"}, {add, 2, 10, "0-9"},
		},
		"gaps are closed": {
			{add, 10, 12, "10-11"}, {add, 14, 16, "10-11 14-15"}, {add, 5, 6, "5 10-11 14-15"},
			{add, 12, 14, "5 10-15"}, {add, 6, 10, "5-15"},
		},
		"one over many": {
			{add, 1, 2, "1"}, {add, 4, 5, "1 4"}, {add, 8, 9, "1 4 8"}, {add, 12, 13, "1 4 8 12"},
			{add, 3, 9, "1 3-8 12"}, {add, 0, 20, "0-19"}, {add, 5, 6, "0-19"},
		},
		"touching one side": {
			{add, 5, 7, "5-6"}, {add, 3, 5, "3-6"}, {add, 7, 8, "3-7"}, {add, 20, 21, "3-7 20"},
			{add, 8, 9, "3-8 20"}, {add, 19, 20, "3-8 19-20"},
		},
		"nothing": {
			{add, 5, 5, ""}, {add, 6, 2, ""}, {remove, 0, 9, ""}, {add, 1, 3, "1-2"}, {remove, 2, 2, "1-2"},
		},
		"removing": {
			{add, 0, 10, "0-9"}, {remove, 3, 5, "0-2 5-9"}, {remove, 0, 1, "1-2 5-9"},
			{remove, 9, 12, "1-2 5-8"}, {remove, 2, 6, "1 6-8"}, {remove, 4, 5, "1 6-8"}, {remove, 0, 99, ""},
		},
		"at the end of the numbers": {
			{add, math.MaxUint64 - 2, math.MaxUint64, "18446744073709551613-18446744073709551614"},
			{add, 0, 1, "0 18446744073709551613-18446744073709551614"},
			{remove, 1, math.MaxUint64 - 1, "0 18446744073709551614"},
			{add, 0, math.MaxUint64, "0-18446744073709551614"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			for i, step := range steps {
				if step.add {
					s.Add(step.first, step.end)
				} else {
					s.Remove(step.first, step.end)
				}
				if got := s.String(); got != step.want {
					t.Fatalf("step %d: got %q, want %q", i, got, step.want)
				}
			}
		})
	}
}

func TestMissing(t *testing.T) {
	s := Of(Range{20, 30}, Range{5, 10}, Range{9, 11})
	for _, tt := range []struct {
		within Range
		want   []Range
	}{
		{Range{0, 40}, []Range{{0, 5}, {11, 20}, {30, 40}}},
		{Range{5, 30}, []Range{{11, 20}}},
		{Range{6, 9}, nil},
		{Range{9, 15}, []Range{{11, 15}}},
		{Range{12, 15}, []Range{{12, 15}}},
		{Range{25, 31}, []Range{{30, 31}}},
		{Range{7, 7}, nil},
		{Range{40, math.MaxUint64}, []Range{{40, math.MaxUint64}}},
	} {
		if got := slices.Collect(s.Missing(tt.within)); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.within, got, tt.want)
		}
	}
	for range s.Missing(Range{0, 40}) {
		break // a consumer may stop at any gap
	}
}

func TestQuestions(t *testing.T) {
	s := Of(Range{5, 10}, Range{20, 21})
	for n, want := range map[uint64]bool{4: false, 5: true, 9: true, 10: false, 19: false, 20: true, 21: false, math.MaxUint64: false} {
		if s.Contains(n) != want {
			t.Errorf("%d: got %t", n, !want)
		}
	}
	if s.Len() != 6 || s.Ranges() != 2 || s.End() != 21 {
		t.Errorf("got %d numbers in %d ranges to %d", s.Len(), s.Ranges(), s.End())
	}
	if got := slices.Collect(s.All()); !slices.Equal(got, []Range{{5, 10}, {20, 21}}) {
		t.Errorf("got %v", got)
	}
	var empty Set
	if empty.Len() != 0 || empty.End() != 0 || empty.Contains(0) || empty.String() != "" {
		t.Error("the zero value is not empty")
	}
}

func TestEncoding(t *testing.T) {
	for want, s := range map[string]Set{
		"00":                                 {},
		"03000104a702d2fdffffffffffffff0101": Of(Range{0, 1}, Range{5, 300}, Range{math.MaxUint64 - 1, math.MaxUint64}),
		"0100ffffffffffffffffff01":           Of(Range{0, math.MaxUint64}),
	} {
		b := s.Append(nil)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("%v: got %s, want %s", &s, got, want)
		}
		got, err := Parse(b, 3)
		if err != nil || got.String() != s.String() {
			t.Errorf("%v: got %v, %v", &s, &got, err)
		}
	}
}

func TestEncodingsThatAreRefused(t *testing.T) {
	for name, h := range map[string]string{
		"nothing":                   "",
		"fewer ranges than it says": "02000105",
		"2^64-1 ranges":             "ffffffffffffffffff010001",
		"more than permitted":       "040001010101010101",
		"a range of nothing":        "010500",
		"two that touch":            "0200010001",
		"a gap that wraps around":   "020202ffffffffffffffffff0101",
		"a length that wraps":       "0105ffffffffffffffffff01",
		"bytes after the last":      "01000100",
		"a number with spare bytes": "01800001",
		"a number past 64 bits":     "01ffffffffffffffffffff0101",
		"a number cut short":        "0100ff",
	} {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := Parse(b, 3); !errors.Is(err, ErrFormat) || s.Len() != 0 {
			t.Errorf("%s: got %v, %v", name, &s, err)
		}
	}
}

// A count is not believed, whatever the caller permits.
func TestParseAllocatesForWhatIsThere(t *testing.T) {
	b := append(binary.AppendUvarint(nil, 1<<60), 0, 1, 1, 1)
	if _, err := Parse(b, math.MaxInt); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkAddInOrder(b *testing.B) {
	var s Set
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		s.Add(n, n+1)
		n++
	}
}
