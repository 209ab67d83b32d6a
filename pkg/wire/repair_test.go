package wire

import "testing"

func goldenRepair() golden {
	return golden{
		Repair{Packet: PacketID{5, 191}, Payload: []byte("payload")},
		"0000000e0a" + "00000005" + "00bf" + "7061796c6f6164",
	}
}

func TestRepair(t *testing.T) { goldenRepair().check(t) }

func TestRepairBounds(t *testing.T) {
	b := body(goldenRepair().message)
	refused(t, TypeRepair, with(b, 0, 0xff), "block")
	refused(t, TypeRepair, with(b, 4, 0, 192), "index")
	refused(t, TypeRepair, b[:6], "no payload")
	refused(t, TypeRepair, make([]byte, 6+MaxPayload+1), "payload")
	panics(t, Repair{})
	panics(t, Repair{Payload: make([]byte, MaxPayload+1)})
	panics(t, Repair{Packet: PacketID{0, BlockPackets}, Payload: []byte("parity")})
}
