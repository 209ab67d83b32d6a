package jasmine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// A byteOrder is the server's: it reads and appends.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// DefaultGroup is the group of Daisy's programs.
func DefaultGroup() netip.Addr { return netip.AddrFrom4([4]byte{224, 238, 0, 31}) }

// familyInet is AF_INET, in the server's order: it tells which order that is.
const familyInet = 2

// groupInfo is the first message of a connection, a sockaddr_in.
func groupInfo(order byteOrder, group netip.AddrPort) []byte {
	b := order.AppendUint16(nil, familyInet)
	b = binary.BigEndian.AppendUint16(b, group.Port())
	addr := group.Addr().As4()
	b = append(b, addr[:]...)
	return append(b, make([]byte, 8)...)
}

// parseGroupInfo reads the first message and finds the server's byte order.
func parseGroupInfo(b []byte) (netip.AddrPort, byteOrder, error) {
	if len(b) != groupInfoSize {
		return netip.AddrPort{}, nil, protocolErrorf("group info of %d bytes", len(b))
	}
	var order byteOrder = binary.LittleEndian
	switch {
	case binary.LittleEndian.Uint16(b) == familyInet:
	case binary.BigEndian.Uint16(b) == familyInet:
		order = binary.BigEndian
	default:
		return netip.AddrPort{}, nil, protocolErrorf("the first message is not a group: %x", b)
	}
	group := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	if !group.Addr().IsMulticast() || group.Port() == 0 {
		return netip.AddrPort{}, nil, protocolErrorf("%v is not a multicast group", group)
	}
	return group, order, nil
}

// bufferInfo begins a round.
//
//	0 <= Count <= maxCount
//	Count <= Size <= Count*maxPayload
//	Base + Count < 2^32
type bufferInfo struct {
	ID, Size, Base, Count uint32
}

func (i bufferInfo) bytes(order byteOrder) (b []byte) {
	for _, v := range []uint32{i.ID, i.Size, i.Base, i.Count} {
		b = order.AppendUint32(b, v)
	}
	return b
}

// parseBufferInfo reads the info of the round after prev and refuses what
// breaks an invariant, before anything is allocated for it.
func parseBufferInfo(b []byte, order byteOrder, prev bufferInfo) (bufferInfo, error) {
	if len(b) != bufferInfoSize {
		return bufferInfo{}, protocolErrorf("buffer info of %d bytes", len(b))
	}
	i := bufferInfo{
		ID: order.Uint32(b), Size: order.Uint32(b[4:]),
		Base: order.Uint32(b[8:]), Count: order.Uint32(b[12:]),
	}
	switch {
	case i.Count > maxCount:
		return i, protocolErrorf("buffer of %d packets, at most %d are allowed", i.Count, maxCount)
	case i.Size < i.Count || i.Size > i.Count*maxPayload:
		return i, protocolErrorf("%d bytes cannot be %d packets", i.Size, i.Count)
	case i.ID != prev.ID+1 || i.Base != prev.Base+prev.Count:
		return i, protocolErrorf("buffer %d from packet %d does not follow buffer %d from %d with %d packets",
			i.ID, i.Base, prev.ID, prev.Base, prev.Count)
	case uint64(i.Base)+uint64(i.Count) > 1<<32-1:
		return i, protocolErrorf("sequence numbers beyond 32 bits")
	}
	return i, nil
}

// appendHeader appends the header of the packet that carries payload.
func appendHeader(b []byte, order byteOrder, seq uint32, payload []byte) []byte {
	b = order.AppendUint32(b, seq)
	b = order.AppendUint32(b, checksum(payload, order))
	return order.AppendUint32(b, uint32(len(payload)))
}

var errBadPacket = errors.New("jasmine: not a packet")

// parseHeader reads a packet's header and bounds its length.
func parseHeader(b []byte, order byteOrder) (seq, sum uint32, length int, err error) {
	if len(b) < headerSize {
		return 0, 0, 0, errBadPacket
	}
	n := order.Uint32(b[8:])
	if n == 0 || n > maxPayload {
		return 0, 0, 0, errBadPacket
	}
	return order.Uint32(b), order.Uint32(b[4:]), int(n), nil
}

// parsePacket reads a whole packet. The payload is part of b.
func parsePacket(b []byte, order byteOrder) (seq uint32, payload []byte, err error) {
	seq, sum, n, err := parseHeader(b, order)
	if err != nil || len(b) != headerSize+n {
		return 0, nil, errBadPacket
	}
	payload = b[headerSize:]
	if checksum(payload, order) != sum {
		return 0, nil, errBadPacket
	}
	return seq, payload, nil
}

// appendRequest appends a REQ for seqs.
func appendRequest(b []byte, order byteOrder, seqs []uint32) []byte {
	b = append(b, opReq)
	b = order.AppendUint32(b, uint32(len(seqs)))
	for _, s := range seqs {
		b = order.AppendUint32(b, s)
	}
	return b
}

// checkRequest bounds the length of a REQ in a round, after asked packets were
// asked for before.
func checkRequest(n uint32, round bufferInfo, asked int) error {
	if n > round.Count {
		return protocolErrorf("it asks for %d packets of a buffer of %d", n, round.Count)
	}
	if asked+int(n) > repairFactor*int(round.Count) {
		return protocolErrorf("it asks for the whole buffer more than %d times", repairFactor)
	}
	return nil
}

// parseRequest reads the sequence numbers of a REQ as offsets from the round's
// base, into dst: they fit 16 bits because a buffer has at most 65536 packets.
func parseRequest(dst []uint16, b []byte, order byteOrder, round bufferInfo) ([]uint16, error) {
	for ; len(b) >= 4; b = b[4:] {
		off := order.Uint32(b) - round.Base
		if off >= round.Count {
			return nil, protocolErrorf("it asks for packet %d, the buffer has %d from %d",
				order.Uint32(b), round.Count, round.Base)
		}
		dst = append(dst, uint16(off))
	}
	return dst, nil
}

// opName names a message for errors.
func opName(op byte) string {
	switch op {
	case opReady:
		return "READY"
	case opReq:
		return "REQ"
	case opDone:
		return "DONE"
	case opSent:
		return "SENT"
	}
	return fmt.Sprintf("message %#x", op)
}
