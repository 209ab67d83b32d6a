package wire

import "testing"

// Fault 48: a member of the group has the key, and says what no stream has.
func TestFault48MalformedPacketsOfAMember(t *testing.T) {
	const p = payloadSize
	for _, tt := range []struct {
		name string
		h    Header
		n    int
		want bool
	}{
		{"data", Header{Type: Data, Count: 192, Index: 191, Block: MaxBlocks - 1}, p, true},
		{"data, one byte short", Header{Type: Data, Count: 192, Index: 191}, p - 1, false},
		{"data, one byte long", Header{Type: Data, Count: 192}, p + 1, false},
		{"data, empty", Header{Type: Data, Count: 192}, 0, false},
		{"data past the block", Header{Type: Data, Count: 192, Index: 192}, p, false},
		{"data past the count", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 3}, p, false},
		{"index 65535", Header{Type: Data, Count: 192, Index: 65535}, p, false},
		{"block past the stream", Header{Type: Data, Count: 192, Block: MaxBlocks}, p, false},
		{"block 2^32-1", Header{Type: Data, Count: 192, Block: 1<<32 - 1}, p, false},
		{"short block that is not the last", Header{Type: Data, Count: 191}, p, false},
		{"no packets in a block", Header{Type: Data, Flags: FlagLast}, p, false},
		{"too many packets in a block", Header{Type: Data, Flags: FlagLast, Count: 193}, p, false},
		{"unknown flag", Header{Type: Data, Flags: 2, Count: 192}, p, false},
		{"unknown flag on the last", Header{Type: Data, Flags: 3, Count: 3}, p, false},
		{"last block, not its last packet", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 1}, p, true},
		{"the same, short", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 1}, p - 1, false},
		{"last packet", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 2}, 1, true},
		{"last packet, whole", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 2}, p, true},
		{"last packet, empty", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 2}, 0, false},
		{"last packet, long", Header{Type: Data, Flags: FlagLast, Count: 3, Index: 2}, p + 1, false},
		{"parity", Header{Type: Parity, Count: 192, Index: 192}, p, true},
		{"parity, last row", Header{Type: Parity, Count: 192, Index: 255}, p, true},
		{"parity of the last block", Header{Type: Parity, Flags: FlagLast, Count: 1, Index: 192}, p, true},
		{"parity, short", Header{Type: Parity, Flags: FlagLast, Count: 1, Index: 192}, p - 1, false},
		{"parity with a data packet's index", Header{Type: Parity, Count: 192, Index: 191}, p, false},
		{"parity past the rows", Header{Type: Parity, Count: 192, Index: 256}, p, false},
		{"parity, no count", Header{Type: Parity, Flags: FlagLast, Index: 192}, p, false},
		{"canary", Header{Type: Canary, Index: 63}, p, true},
		{"canary, empty", Header{Type: Canary}, 0, true},
		{"canary, long", Header{Type: Canary}, p + 1, false},
		{"canary 64", Header{Type: Canary, Index: 64}, p, false},
		{"canary of a block", Header{Type: Canary, Block: 1}, p, false},
		{"canary with a count", Header{Type: Canary, Count: 1}, p, false},
		{"canary with a flag", Header{Type: Canary, Flags: FlagLast}, p, false},
		{"type 0", Header{Count: 192}, p, false},
		{"type 4", Header{Type: 4, Count: 192}, p, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, o := newPair(t)
			h, _, ok := o.Open(seal(t, s, tt.h, make([]byte, tt.n)))
			if ok != tt.want {
				t.Errorf("got %t", ok)
			}
			if d := o.Drops(); (d == Drops{Malformed: 1}) == tt.want {
				t.Errorf("counted as %+v", d)
			}
			tt.h.Session = testSession.Short()
			if ok && h != tt.h {
				t.Errorf("got %+v", h)
			}
		})
	}
}

// No honest sender has a counter there, and a report could not carry it.
func TestCounterOfAMemberPastTheLimit(t *testing.T) {
	for _, typ := range []Header{dataHeader(0, 0), {Type: Canary}} {
		for _, counter := range []uint64{MaxPackets, 1<<64 - 1} {
			s, o := newPair(t)
			typ.Session, typ.Counter = s.c.short, counter
			header := make([]byte, HeaderSize)
			typ.put(header)
			s.c.setCounter(counter)
			sealed := s.c.aead.Seal(header, s.c.nonce[:], make([]byte, payloadSize), header)
			if _, _, ok := o.Open(sealed); ok || o.Drops() != (Drops{Malformed: 1}) {
				t.Errorf("type %d, counter %d: opened %t, %+v", typ.Type, counter, ok, o.Drops())
			}
		}
	}
}
