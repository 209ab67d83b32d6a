package imageset

import (
	"math/rand/v2"
	"testing"
)

// TestExtentsAreTheBytesThatCame compares with a list of bytes.
func TestExtentsAreTheBytesThatCame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		const size = 60
		var x extents
		var there [size]bool
		for range rng.IntN(30) {
			from := rng.Int64N(size)
			e := extent{from, from + 1 + rng.Int64N(size-from)}
			var fresh [size]bool
			last := int64(-1)
			for _, f := range x.add(e) {
				if f.from <= last || f.from >= f.to || f.from < e.from || f.to > e.to {
					t.Fatalf("adding %v: fresh %v after %d", e, f, last)
				}
				for i := f.from; i < f.to; i++ {
					fresh[i] = true
				}
				last = f.to
			}
			for i := range fresh {
				isNew := int64(i) >= e.from && int64(i) < e.to && !there[i]
				if fresh[i] != isNew {
					t.Fatalf("adding %v: byte %d fresh: %v, want %v", e, i, fresh[i], isNew)
				}
				there[i] = there[i] || isNew
			}
		}
		prefix := 0
		for prefix < size && there[prefix] {
			prefix++
		}
		if x.prefix() != int64(prefix) {
			t.Fatalf("prefix %d, want %d: %v", x.prefix(), prefix, x)
		}
		for i := 1; i < len(x); i++ {
			if x[i-1].to >= x[i].from {
				t.Fatalf("no gap: %v", x)
			}
		}
	}
}
