package wire

// A Repair carries one data packet over the control connection. Its bytes are
// not trusted more than a datagram's: the segment's digest decides.
type Repair struct {
	Packet  PacketID // a data packet
	Payload []byte   // part of the frame that Parse was given
}

// Type returns TypeRepair.
func (Repair) Type() MessageType { return TypeRepair }

func (r Repair) appendBody(dst []byte) []byte {
	mustBe(len(r.Payload) > 0 && len(r.Payload) <= MaxPayload, "a payload")
	mustBe(r.Packet.Block < MaxBlocks && !r.Packet.Index.IsParity(), "a packet")
	dst = be.AppendUint32(dst, uint32(r.Packet.Block))
	dst = be.AppendUint16(dst, uint16(r.Packet.Index))
	return append(dst, r.Payload...)
}

func parseRepair(d *decoder) Repair {
	var r Repair
	r.Packet.Block = d.block("block", MaxBlocks-1)
	r.Packet.Index = Index(d.bounded("index", uint64(d.u16()), BlockPackets-1))
	r.Payload = d.rest("payload", MaxPayload)
	if len(r.Payload) == 0 {
		d.failf("no payload")
	}
	return r
}
