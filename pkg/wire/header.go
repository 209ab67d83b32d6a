package wire

import "encoding/binary"

// be is the byte order of everything.
var be = binary.BigEndian

// magic begins every datagram, so that most strangers are told by two bytes.
const magic = 0xda15

// A PacketType says what a datagram carries.
type PacketType uint8

// The packet types.
const (
	// Data is a piece of the stream.
	Data PacketType = 1
	// Parity is a parity row of a block.
	Parity PacketType = 2
	// Canary proves a way of sending, before data depends on it.
	Canary PacketType = 3
)

// Flags of a packet.
type Flags uint8

// FlagLast is set in each packet of the stream's last block.
const FlagLast Flags = 1

// A Header is what is legible in a datagram. It is authenticated with the
// payload.
type Header struct {
	Type  PacketType
	Flags Flags
	// Count is the number of data packets in the block: BlockPackets in all
	// but the last, so that a receiver can repair that one before it knows the
	// stream's size. 0 in a canary.
	Count uint8
	// Session is the first four bytes of the session's id. Set by Seal.
	Session uint32
	// Counter numbers transmissions from 0 and is the packet's nonce. Set by
	// Seal.
	Counter uint64
	Block   Block
	Index   Index
}

// ID returns the packet that h is of.
func (h Header) ID() PacketID { return PacketID{h.Block, h.Index} }

func (h Header) put(b []byte) {
	_ = b[HeaderSize-1]
	be.PutUint16(b[0:], magic)
	b[2] = Version
	b[3] = byte(h.Type)
	b[4] = byte(h.Flags)
	b[5] = h.Count
	be.PutUint32(b[6:], h.Session)
	be.PutUint64(b[10:], h.Counter)
	be.PutUint32(b[18:], uint32(h.Block))
	be.PutUint16(b[22:], uint16(h.Index))
}

// parseHeader reads the front of a datagram; ok is false when it is too short,
// not ours or of another version.
func parseHeader(b []byte) (h Header, ok bool) {
	if len(b) < Overhead || be.Uint16(b) != magic || b[2] != Version {
		return Header{}, false
	}
	return Header{
		Type:    PacketType(b[3]),
		Flags:   Flags(b[4]),
		Count:   b[5],
		Session: be.Uint32(b[6:]),
		Counter: be.Uint64(b[10:]),
		Block:   Block(be.Uint32(b[18:])),
		Index:   Index(be.Uint16(b[22:])),
	}, true
}

// fits reports whether a payload of n bytes under h obeys the bounds: whether
// some stream of geometry g has such a packet.
func (h Header) fits(g Geometry, n int) bool {
	if h.Counter >= MaxPackets || n > int(g.Payload) {
		return false
	}
	switch h.Type {
	case Canary:
		return h.Flags == 0 && h.Count == 0 && h.Block == 0 && h.Index < MaxCanaries
	case Parity:
		return h.fitsBlock() && h.Index.IsParity() && h.Index.Row() < ParityRows && n == int(g.Payload)
	case Data:
		isLast := h.Flags == FlagLast && h.Index == Index(h.Count)-1
		return h.fitsBlock() && h.Index < Index(h.Count) && (n == int(g.Payload) || isLast && n > 0)
	}
	return false
}

// fitsBlock reports whether some stream has the block that h is of. All blocks
// but the last are whole.
func (h Header) fitsBlock() bool {
	if h.Block >= MaxBlocks || h.Count == 0 || h.Count > BlockPackets {
		return false
	}
	return h.Flags == FlagLast || h.Flags == 0 && h.Count == BlockPackets
}
