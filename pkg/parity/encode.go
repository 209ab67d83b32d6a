package parity

import "github.com/klauspost/reedsolomon"

const (
	// MaxData is the greatest number of data packets in a block.
	MaxData = 192
	// Rows is the number of parity rows.
	Rows = 64
)

// kernelSize is the bytes that the kernels take at a time.
const kernelSize = 64

// tile is the number of rows that are worked on at a time, so that they stay in
// a core's first cache (32 KiB) while all data packets pass by.
const tile = 16

// kernels are the library's, chosen by what the processor can do.
type kernels = reedsolomon.LowLevel

// Stride returns the least length that the kernels take whole and that has room
// for a packet of size bytes.
func Stride(size int) int { return (size + kernelSize - 1) &^ (kernelSize - 1) }

// coefficient returns what row multiplies the data packet at column with.
func coefficient(row, column int) byte { return reedsolomon.Inv(byte(MaxData+row) ^ byte(column)) }

// Encode sets out to the parity rows first, first+1, ... of a block of data
// packets. All packets, in and out, have one length; a shorter one is filled up
// with zeros by the caller. It panics when there are too many of either. It
// allocates nothing and is safe for concurrent use.
func Encode(out [][]byte, first int, data [][]byte) {
	if len(data) == 0 || len(data) > MaxData || first < 0 || first+len(out) > Rows {
		panic("parity: no such rows, or no such block")
	}
	for len(out) > 0 {
		n := min(tile, len(out))
		encode(out[:n], first, data)
		out = out[n:]
		first += n
	}
}

func encode(out [][]byte, first int, data [][]byte) {
	var k kernels
	for i, p := range out {
		mustMatch(p, data[0])
		k.GalMulSlice(coefficient(first+i, 0), data[0], p)
	}
	for c := 1; c < len(data); c++ {
		mustMatch(data[c], data[0])
		for i, p := range out {
			k.GalMulSliceXor(coefficient(first+i, c), data[c], p)
		}
	}
}

func mustMatch(a, b []byte) {
	if len(a) != len(b) {
		panic("parity: packets of different lengths")
	}
}
