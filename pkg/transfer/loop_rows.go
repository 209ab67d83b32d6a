package transfer

import (
	"github.com/daisy-mcast/daisy-mcast/pkg/parity"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A rowSet holds the parity rows first to first+count of one block, encoded at
// once.
type rowSet struct {
	first, count int
	rows         [wire.ParityRows][]byte
}

// A rowCache makes parity rows when the first of several is asked for. It holds
// as many sets as blocks are under repair, at most maxActive, and allocates only
// until there are so many.
type rowCache struct {
	g    wire.Geometry
	sets map[wire.Block]*rowSet
	free []*rowSet
	data [][]byte
}

func newRowCache(g wire.Geometry) *rowCache {
	return &rowCache{g: g, sets: make(map[wire.Block]*rowSet), data: make([][]byte, 0, wire.BlockPackets)}
}

// row returns a parity row of b, of which more further ones will be asked for
// next. It is valid until the next call.
func (c *rowCache) row(b *blockBuffer, row, more int) []byte {
	set := c.sets[b.number]
	if set == nil {
		set = c.take()
		c.sets[b.number] = set
	}
	if row < set.first || row >= set.first+set.count {
		c.encode(set, b, row, min(1+more, wire.ParityRows-row))
	}
	p := set.rows[row-set.first]
	if row == set.first+set.count-1 {
		c.drop(b.number)
	}
	return p
}

func (c *rowCache) encode(set *rowSet, b *blockBuffer, first, count int) {
	c.data = c.data[:0]
	for i := range b.packets(c.g) {
		c.data = append(c.data, b.padded(c.g, i))
	}
	set.first, set.count = first, count
	parity.Encode(set.rows[:count], first, c.data)
}

func (c *rowCache) take() *rowSet {
	if n := len(c.free); n > 0 {
		set := c.free[n-1]
		c.free = c.free[:n-1]
		set.first, set.count = 0, 0
		return set
	}
	set := new(rowSet)
	size := int(c.g.Payload)
	all := make([]byte, wire.ParityRows*size)
	for i := range set.rows {
		set.rows[i] = all[i*size : (i+1)*size]
	}
	return set
}

// drop forgets a block's rows.
func (c *rowCache) drop(n wire.Block) {
	if set := c.sets[n]; set != nil {
		delete(c.sets, n)
		c.free = append(c.free, set)
	}
}
