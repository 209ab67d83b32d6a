package wire

import "math/bits"

// A Bitmap is a set of a block's data packets: the packet with index i is bit
// 7 - i%8 of byte i/8.
type Bitmap [BlockPackets / 8]byte

// Add adds the packet with index i, below BlockPackets.
func (b *Bitmap) Add(i Index) { b[i/8] |= 0x80 >> (i % 8) }

// Has reports whether the packet with index i is in the set.
func (b *Bitmap) Has(i Index) bool { return b[i/8]&(0x80>>(i%8)) != 0 }

// Union adds what is in other.
func (b *Bitmap) Union(other *Bitmap) {
	for i := range b {
		b[i] |= other[i]
	}
}

// Len returns the number of packets in the set.
func (b *Bitmap) Len() int {
	n := 0
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}

// A Map tells which data packets of a block a receiver lacks: sent when its
// deficit is more than the parity rows that the sender has left.
type Map struct {
	Block   Block
	Missing Bitmap
}

// Type returns TypeMap.
func (Map) Type() MessageType { return TypeMap }

func (m Map) appendBody(dst []byte) []byte {
	mustBe(m.Block < MaxBlocks, "a block")
	dst = be.AppendUint32(dst, uint32(m.Block))
	return append(dst, m.Missing[:]...)
}

func parseMap(d *decoder) Map {
	m := Map{Block: d.block("block", MaxBlocks-1)}
	copy(m.Missing[:], d.take(len(m.Missing)))
	return m
}
