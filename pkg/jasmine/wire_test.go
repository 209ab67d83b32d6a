package jasmine

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var orders = map[string]byteOrder{"little": binary.LittleEndian, "big": binary.BigEndian}

func TestGolden(t *testing.T) {
	le := wireOrder
	payload := []byte{1, 2, 3, 4, 5}
	for _, tt := range []struct {
		name, want string
		got        []byte
	}{
		{"group info", "0200" + "47cf" + "e0ee001f" + "0000000000000000",
			groupInfo(le, netip.AddrPortFrom(DefaultGroup(), DefaultPort))},
		{"group info of a big-endian host", "0002" + "47cf" + "e0ee001f" + "0000000000000000",
			groupInfo(binary.BigEndian, netip.AddrPortFrom(DefaultGroup(), DefaultPort))},
		{"buffer info", "01000000" + "b90b0000" + "00000000" + "03000000",
			bufferInfo{ID: 1, Size: 3001, Count: 3}.bytes(le)},
		{"packet header", "07000000" + "06020304" + "05000000", appendHeader(nil, le, 7, payload)},
		{"request", "02" + "02000000" + "03000000" + "09000000", appendRequest(nil, le, []uint32{3, 9})},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestChecksumOfRecordedPackets(t *testing.T) {
	n := 0
	for _, v := range vectors(t) {
		for _, e := range v.Events {
			if e.UDP == "" {
				continue
			}
			n++
			if _, _, err := parsePacket(unhex(t, e.Hex), wireOrder); err != nil {
				t.Errorf("%s: packet %d is refused: %v", v.Scenario, n, err)
			}
		}
	}
	if n == 0 {
		t.Fatal("no packets in the recorded sessions")
	}
}

func TestChecksumPadsTheLastWord(t *testing.T) {
	word := func(order byteOrder, b ...byte) uint32 { return order.Uint32(b) }
	for name, o := range orders {
		for n := range 20 {
			p := bytes.Repeat([]byte{0xf1}, n)
			var want uint32
			for i := 0; i < n; i += 4 {
				var w [4]byte
				copy(w[:], p[i:])
				want += word(o, w[:]...)
			}
			if got := checksum(p, o); got != want {
				t.Errorf("%s: checksum of %d bytes = %#x, want %#x", name, n, got, want)
			}
		}
	}
}

// Fault 52: what does not fit is refused before anything is allocated for it.
func TestFault52BufferInfo(t *testing.T) {
	first := bufferInfo{}
	second := bufferInfo{ID: 1, Size: 3000, Base: 0, Count: 3}
	late := bufferInfo{ID: 8, Base: 1<<32 - 20, Count: 10}
	for _, tt := range []struct {
		name string
		prev bufferInfo
		info bufferInfo
		ok   bool
	}{
		{"first", first, bufferInfo{1, 3001, 0, 3}, true},
		{"first and end", first, bufferInfo{1, 0, 0, 0}, true},
		{"second", second, bufferInfo{2, 1, 3, 1}, true},
		{"end", second, bufferInfo{2, 0, 3, 0}, true},
		{"full", first, bufferInfo{1, maxCount * maxPayload, 0, maxCount}, true},
		{"too many packets", first, bufferInfo{1, maxCount + 1, 0, maxCount + 1}, false},
		{"all ones", first, bufferInfo{1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1}, false},
		{"more than its packets hold", first, bufferInfo{1, 2*maxPayload + 1, 0, 2}, false},
		{"empty packets", first, bufferInfo{1, 1, 0, 2}, false},
		{"end with bytes", second, bufferInfo{2, 1, 3, 0}, false},
		{"id again", second, bufferInfo{1, 1, 3, 1}, false},
		{"base of before", second, bufferInfo{2, 1, 0, 1}, false},
		{"up to the last number", late, bufferInfo{9, 9, 1<<32 - 10, 9}, true},
		{"beyond 32 bits", late, bufferInfo{9, 11, 1<<32 - 10, 11}, false},
	} {
		for name, o := range orders {
			got, err := parseBufferInfo(tt.info.bytes(o), o, tt.prev)
			if (err == nil) != tt.ok || got != tt.info {
				t.Errorf("%s, %s: got %v, %v, want ok %v", tt.name, name, got, err, tt.ok)
			}
			var protocol *ProtocolError
			if err != nil && !errors.As(err, &protocol) {
				t.Errorf("%s: %T is not a ProtocolError", tt.name, err)
			}
		}
	}
}

func TestFault52Request(t *testing.T) {
	round := bufferInfo{ID: 1, Size: 1000, Base: 100, Count: 10}
	for _, tt := range []struct {
		n     uint32
		asked int
		ok    bool
	}{
		{0, 0, true}, {10, 0, true}, {11, 0, false}, {1<<32 - 1, 0, false},
		{10, 10, true}, {1, 20, false},
	} {
		if err := checkRequest(tt.n, round, tt.asked); (err == nil) != tt.ok {
			t.Errorf("checkRequest(%d after %d) = %v, want ok %v", tt.n, tt.asked, err, tt.ok)
		}
	}
	for _, seq := range []uint32{99, 110, 0, 1<<32 - 1} {
		if _, err := parseRequest(nil, wireOrder.AppendUint32(nil, seq), wireOrder, round); err == nil {
			t.Errorf("packet %d of a buffer from 100 to 109 was accepted", seq)
		}
	}
}

func FuzzGroupInfo(f *testing.F) {
	f.Add(unhex(f, "020047cfe0ee001f0000000000000000"))
	f.Add(unhex(f, "000247cfe0ee001fdeadbeefdeadbeef"))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		group, order, err := parseGroupInfo(b)
		if err != nil {
			return
		}
		if again := groupInfo(order, group); !bytes.Equal(again[:8], b[:8]) {
			t.Errorf("%x became %x", b, again)
		}
		if !group.Addr().IsMulticast() {
			t.Errorf("%v is no group", group)
		}
	})
}

func FuzzBufferInfo(f *testing.F) {
	f.Add(unhex(f, "01000000b90b00000000000003000000"), uint32(0), uint32(0), uint32(0))
	f.Add(unhex(f, "02000000000000000300000000000000"), uint32(1), uint32(0), uint32(3))
	f.Fuzz(func(t *testing.T, b []byte, id, base, count uint32) {
		info, err := parseBufferInfo(b, wireOrder, bufferInfo{ID: id, Base: base, Count: count})
		if err != nil {
			return
		}
		if info.Count > maxCount || info.Size > info.Count*maxPayload || info.Size < info.Count {
			t.Errorf("accepted %+v", info)
		}
		if again := info.bytes(wireOrder); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzPacket(f *testing.F) {
	for _, v := range vectors(f) {
		for _, e := range v.Events {
			if e.UDP != "" {
				f.Add(unhex(f, e.Hex))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, payload, err := parsePacket(b, wireOrder)
		if err != nil {
			return
		}
		if len(payload) == 0 || len(payload) > maxPayload {
			t.Errorf("accepted a payload of %d bytes", len(payload))
		}
		again := append(appendHeader(nil, wireOrder, seq, payload), payload...)
		if !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(unhex(f, "010000000300000004000000"), uint32(0), uint32(14))
	f.Add(unhex(f, "ffffffff"), uint32(1<<31), uint32(65536))
	f.Fuzz(func(t *testing.T, b []byte, base, count uint32) {
		round := bufferInfo{ID: 1, Base: base, Count: count % (maxCount + 1)}
		offsets, err := parseRequest(nil, b, wireOrder, round)
		if err != nil {
			return
		}
		var seqs []uint32
		for _, off := range offsets {
			if uint32(off) >= round.Count {
				t.Fatalf("offset %d of %d packets", off, round.Count)
			}
			seqs = append(seqs, base+uint32(off))
		}
		if again := appendRequest(nil, wireOrder, seqs)[5:]; !slices.Equal(again, b[:len(b)&^3]) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func BenchmarkChecksum(b *testing.B) {
	p := make([]byte, maxPayload)
	b.SetBytes(maxPayload)
	for b.Loop() {
		checksum(p, wireOrder)
	}
}
