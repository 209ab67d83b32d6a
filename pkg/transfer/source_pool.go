package transfer

import (
	"sync"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A blockBuffer holds one block of the source.
type blockBuffer struct {
	number wire.Block
	data   []byte // of whole packets: past size it is zero, as parity wants it
	size   int    // bytes of the source
	last   bool
}

// packets returns the number of data packets.
func (b *blockBuffer) packets(g wire.Geometry) int {
	return (b.size + int(g.Payload) - 1) / int(g.Payload)
}

// packet returns a data packet's payload.
func (b *blockBuffer) packet(g wire.Geometry, i wire.Index) []byte {
	from := int(i) * int(g.Payload)
	return b.data[from:min(from+int(g.Payload), b.size)]
}

// padded returns a data packet filled up with zeros.
func (b *blockBuffer) padded(g wire.Geometry, i int) []byte {
	return b.data[i*int(g.Payload) : (i+1)*int(g.Payload)]
}

// A blockPool has a fixed number of block buffers, made when they are first
// needed and then used again. It is safe for concurrent use.
type blockPool struct {
	g wire.Geometry

	mu   sync.Mutex
	left int // not made yet
	free []*blockBuffer
}

// newBlockPool returns a pool of n buffers.
func newBlockPool(g wire.Geometry, n int) *blockPool { return &blockPool{g: g, left: n} }

// take returns a buffer, nil when all are in use: who asks for blocks keeps count.
func (p *blockPool) take() *blockBuffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	if p.left == 0 {
		return nil
	}
	p.left--
	return &blockBuffer{data: make([]byte, p.g.BlockSize())}
}

// put gives a buffer back.
func (p *blockPool) put(b *blockBuffer) {
	p.mu.Lock()
	p.free = append(p.free, b)
	p.mu.Unlock()
}
