package message

import (
	"encoding/json"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Indexes is a set of indexes, into a list that both ends have. A host lacks all of
// a set, or nothing, or what changed: some ranges. In JSON it is rangeset's encoding
// in base64, so a thousand hosts that lack 3000 blobs say so in 8 bytes each. The
// zero value is empty.
type Indexes struct {
	set rangeset.Set
}

// IndexesOf makes a set of indexes in any order; none may be negative.
func IndexesOf(list ...int) Indexes {
	var x Indexes
	for _, i := range list {
		x.Add(i)
	}
	return x
}

// Add adds an index.
func (x *Indexes) Add(i int) { x.set.Add(uint64(i), uint64(i)+1) }

// AddAll adds those of y.
func (x *Indexes) AddAll(y Indexes) {
	for r := range y.set.All() {
		x.set.Add(r.First, r.End)
	}
}

// Len returns how many there are.
func (x Indexes) Len() int { return int(x.set.Len()) }

// Below reports whether all are below n, as indexes into a list of n must be.
func (x Indexes) Below(n int) bool { return x.set.End() <= uint64(n) }

// Contains reports whether i is one of them.
func (x Indexes) Contains(i int) bool { return x.set.Contains(uint64(i)) }

// List returns them, ascending; never nil.
func (x Indexes) List() []int {
	list := make([]int, 0, x.Len())
	for r := range x.set.All() {
		for i := r.First; i < r.End; i++ {
			list = append(list, int(i))
		}
	}
	return list
}

// String returns them as in "0-3 7".
func (x Indexes) String() string { return x.set.String() }

// MarshalJSON encodes them.
func (x Indexes) MarshalJSON() ([]byte, error) { return json.Marshal(x.set.Append(nil)) }

// UnmarshalJSON takes none that a list in a set cannot have.
func (x *Indexes) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	set, err := rangeset.Parse(b, store.MaxBlobs)
	if err != nil {
		return err
	}
	if set.End() > store.MaxBlobs {
		return fmt.Errorf("index %d, at most %d are taken", set.End()-1, store.MaxBlobs)
	}
	x.set = set
	return nil
}
