package message

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

func TestIndexes(t *testing.T) {
	for _, want := range [][]int{{}, {0}, {0, 1, 2}, {3, 7, 8, 99_999}} {
		b, err := json.Marshal(Have{Missing: IndexesOf(want...)})
		if err != nil {
			t.Fatal(err)
		}
		var got Have
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %s: %v", want, b, err)
		}
		if !slices.Equal(got.Missing.List(), want) || got.Missing.Len() != len(want) {
			t.Errorf("%v came as %v", want, got.Missing)
		}
	}
	x := IndexesOf(1, 2)
	x.AddAll(IndexesOf(2, 9))
	if x.String() != "1-2 9" || !x.Contains(9) || x.Contains(3) || x.Below(9) || !x.Below(10) {
		t.Errorf("the union is %v", x)
	}
}

// TestIndexesThatAreRefused: they come from another machine, and index a list.
func TestIndexesThatAreRefused(t *testing.T) {
	encode := func(first, end uint64) string {
		set := rangeset.Of(rangeset.Range{First: first, End: end})
		b, _ := json.Marshal(set.Append(nil))
		return string(b)
	}
	for _, text := range []string{`"!"`, `[1]`, `"AQ=="`, encode(store.MaxBlobs, store.MaxBlobs+1), encode(0, 1<<62)} {
		var x Indexes
		if err := json.Unmarshal([]byte(text), &x); err == nil {
			t.Errorf("%s is taken as %d indexes", text, x.Len())
		}
	}
}

// TestHaveIsSmall holds what a host says of a set of 3000 blobs to a bound,
// whatever it lacks: a thousand hosts say it at once.
func TestHaveIsSmall(t *testing.T) {
	const blobs = 3000
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		lacks func(i int) bool
		most  int // bytes
	}{
		{"all", func(int) bool { return true }, 32},
		{"nothing", func(int) bool { return false }, 32},
		{"one in a hundred", func(i int) bool { return random.IntN(100) == 0 }, 200},
		{"every other one, the worst", func(i int) bool { return i%2 == 0 }, 4100},
	} {
		var x Indexes
		for i := range blobs {
			if c.lacks(i) {
				x.Add(i)
			}
		}
		b, err := json.Marshal(Have{Missing: x})
		if err != nil || len(b) > c.most {
			t.Errorf("%s: %d bytes, want at most %d (%v)", c.name, len(b), c.most, err)
		}
		t.Logf("%s: %d of %d lacking, %d bytes", c.name, x.Len(), blobs, len(b))
	}
}
