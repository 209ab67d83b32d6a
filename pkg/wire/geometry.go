package wire

import "fmt"

// A Block numbers the blocks of a stream from 0.
type Block uint32

// An Index numbers the packets of a block: data packets from 0, parity rows
// from [BlockPackets], whatever the block's count of data packets. In a canary
// it is the canary's number.
type Index uint16

// ParityIndex returns the index of a block's parity row, 0 to ParityRows-1.
func ParityIndex(row int) Index { return BlockPackets + Index(row) }

// IsParity reports whether i is a parity row's index.
func (i Index) IsParity() bool { return i >= BlockPackets }

// Row returns the parity row of an index for which IsParity.
func (i Index) Row() int { return int(i) - BlockPackets }

// A PacketID names a packet of a stream.
type PacketID struct {
	Block Block
	Index Index
}

// Number returns a data packet's position in the stream, which is the unit of
// the ranges in a FETCH: block x BlockPackets + index.
func (p PacketID) Number() uint64 { return uint64(p.Block)*BlockPackets + uint64(p.Index) }

// PacketAt is the inverse of [PacketID.Number], for n below MaxPackets.
func PacketAt(n uint64) PacketID {
	return PacketID{Block: Block(n / BlockPackets), Index: Index(n % BlockPackets)}
}

// A Geometry says how a stream of bytes is cut into packets. All but the
// payload's size is the same in every session.
type Geometry struct {
	// Payload is the size of every data packet but the stream's last, in
	// bytes, and of every parity packet.
	Payload uint16
}

// Validate reports whether g is one that this package works with.
func (g Geometry) Validate() error {
	if g.Payload < MinPayload || g.Payload > MaxPayload {
		return fmt.Errorf("%w: payload of %d bytes, not %d to %d", ErrFormat, g.Payload, MinPayload, MaxPayload)
	}
	return nil
}

// BlockSize returns the bytes of every block but the last.
func (g Geometry) BlockSize() int { return BlockPackets * int(g.Payload) }

// SegmentSize returns the bytes of every segment but the last.
func (g Geometry) SegmentSize() int { return SegmentBlocks * g.BlockSize() }

// MaxSize returns the bytes of the longest stream.
func (g Geometry) MaxSize() uint64 { return MaxBlocks * uint64(g.BlockSize()) }

// Blocks returns the number of blocks of a stream of size bytes, which is at
// most MaxSize.
func (g Geometry) Blocks(size uint64) Block { return Block(ceil(size, uint64(g.BlockSize()))) }

// Segments returns the number of segments of a stream of size bytes.
func (g Geometry) Segments(size uint64) uint32 { return uint32(ceil(size, uint64(g.SegmentSize()))) }

// Packets returns the number of data packets of block b in a stream of size
// bytes, 0 past its end.
func (g Geometry) Packets(size uint64, b Block) int {
	start := uint64(b) * uint64(g.BlockSize())
	if start >= size {
		return 0
	}
	return int(min(ceil(size-start, uint64(g.Payload)), BlockPackets))
}

// Offset returns where a data packet's payload begins in the stream.
func (g Geometry) Offset(p PacketID) uint64 { return p.Number() * uint64(g.Payload) }

// PayloadLen returns the bytes of a data packet in a stream of size bytes, 0
// past its end.
func (g Geometry) PayloadLen(size uint64, p PacketID) int {
	start := g.Offset(p)
	if start >= size {
		return 0
	}
	return int(min(size-start, uint64(g.Payload)))
}

func ceil(n, unit uint64) uint64 { return (n + unit - 1) / unit }
