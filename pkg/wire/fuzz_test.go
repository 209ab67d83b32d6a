package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// FuzzParse: what is accepted says the same when it is sent on, what is not
// accepted is the peer's fault, and neither takes more than the frame is worth.
func FuzzParse(f *testing.F) {
	for _, g := range allGolden() {
		f.Add(unhex(f, g.hex)[lengthSize:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := Parse(frame)
		if err != nil {
			if !errors.Is(err, ErrFormat) || m != nil {
				t.Fatalf("got %+v, %v", m, err)
			}
			return
		}
		sent := Append(nil, m)
		again, err := Parse(sent[lengthSize:])
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, %v; want %+v", again, err, m)
		}
		if !hasText(m) && !bytes.Equal(sent[lengthSize:], frame) {
			t.Fatalf("two encodings of %+v:\n%x\n%x", m, sent[lengthSize:], frame)
		}
	})
}

// hasText reports whether m has a part that is cleaned on the way in.
func hasText(m Message) bool { return m.Type() == TypeDetach || m.Type() == TypeBye }

// FuzzReadFrame: a stream of any bytes is frames up to a first fault.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, MaxFrame)
	f.Add(Append(Append(nil, goldenBeat().message), goldenBye().message), MaxHelloFrame)
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		r := bytes.NewReader(stream)
		for {
			frame, err := ReadFrame(r, nil, limit)
			if err != nil {
				return
			}
			if len(frame) == 0 || len(frame) > limit || len(frame) > MaxFrame {
				t.Fatalf("a frame of %d bytes, limit %d", len(frame), limit)
			}
		}
	})
}

// FuzzOpen: no datagram that the session's sealer did not make opens.
func FuzzOpen(f *testing.F) {
	s, _ := newPair(f)
	genuine := seal(f, s, dataHeader(3, 4), bytesFrom(0, payloadSize))
	f.Add(bytes.Clone(genuine)) // Open works in place
	f.Add(bytes.Clone(genuine[:HeaderSize]))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		isGenuine := bytes.Equal(datagram, genuine)
		_, o := newPair(t)
		if _, _, ok := o.Open(bytes.Clone(datagram)); ok != isGenuine {
			t.Fatalf("opened: %t, genuine: %t", ok, isGenuine)
		}
		if d := o.Drops(); d.Foreign+d.Forged+d.Malformed != 1 && !isGenuine {
			t.Fatalf("counted as %+v", d)
		}
	})
}

// FuzzOpenMember: a member of the group seals any header; what opens can be
// used as an index without another look.
func FuzzOpenMember(f *testing.F) {
	f.Add(uint8(Data), uint8(0), uint8(192), uint32(0), uint16(191), 1432)
	f.Add(uint8(Parity), uint8(1), uint8(1), uint32(MaxBlocks-1), uint16(255), 1432)
	f.Add(uint8(Canary), uint8(0), uint8(0), uint32(0), uint16(63), 0)
	f.Fuzz(func(t *testing.T, typ, flags, count uint8, block uint32, index uint16, n int) {
		s, o := newPair(t)
		h := Header{Type: PacketType(typ), Flags: Flags(flags), Count: count, Block: Block(block), Index: Index(index)}
		got, payload, ok := o.Open(seal(t, s, h, make([]byte, uint(n)%2000)))
		if !ok {
			return
		}
		isCanary := got.Type == Canary && got.Index < MaxCanaries && len(payload) <= payloadSize
		isData := got.Type == Data && got.Index < Index(got.Count) && len(payload) > 0 && len(payload) <= payloadSize
		isParity := got.Type == Parity && got.Index.Row() >= 0 && got.Index.Row() < ParityRows && len(payload) == payloadSize
		if !isCanary && (!isData && !isParity || got.Block >= MaxBlocks || got.Count == 0 || got.Count > BlockPackets) {
			t.Fatalf("opened: %+v with %d bytes", got, len(payload))
		}
	})
}
