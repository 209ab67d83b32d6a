package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// payloadSize is that of the datagrams in tests.
const payloadSize = DefaultPayload

var (
	testKey     = Key(bytesFrom(100, 32))
	testSession = SessionID(bytesFrom(0, 16))
)

func newPair(t testing.TB) (*Sealer, *Opener) {
	t.Helper()
	s, err := NewSealer(testKey, testSession)
	if err != nil {
		t.Fatal(err)
	}
	return s, newOpener(t, testKey, testSession)
}

func newOpener(t testing.TB, k Key, id SessionID) *Opener {
	t.Helper()
	o, err := NewOpener(k, id, Geometry{Payload: payloadSize})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func seal(t testing.TB, s *Sealer, h Header, payload []byte) []byte {
	t.Helper()
	b, err := s.Seal(nil, h, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dataHeader(b Block, i Index) Header {
	return Header{Type: Data, Count: BlockPackets, Block: b, Index: i}
}

// The datagrams were made by another implementation of AES-GCM and HKDF.
func TestGoldenDatagrams(t *testing.T) {
	s, o := newPair(t)
	for _, tt := range []struct {
		h       Header
		payload string
		want    string
	}{
		{Header{Type: Data, Flags: FlagLast, Count: 3, Block: 4, Index: 2}, "the last packet",
			"da15010101030001020300000000000000000000000400" +
				"02d56f23243c12043abc330a9020f4155044ed92c2b0cb4f318388191c06db23"},
		{Header{Type: Canary, Index: 63}, "",
			"da150103000000010203000000000000000100000000003f8865b312561f127f24d2e04c70e90b60"},
	} {
		got := seal(t, s, tt.h, []byte(tt.payload))
		if hex.EncodeToString(got) != tt.want {
			t.Errorf("got  %x\nwant %s", got, tt.want)
		}
		tt.h.Session, tt.h.Counter = 0x00010203, s.Next()-1
		h, payload, ok := o.Open(got)
		if !ok || h != tt.h || string(payload) != tt.payload {
			t.Errorf("got %+v %q %t", h, payload, ok)
		}
	}
}

func TestSealAppends(t *testing.T) {
	s, o := newPair(t)
	dst := append(make([]byte, 0, 4096), "before"...)
	first, _ := s.Seal(dst, dataHeader(1, 2), bytesFrom(1, payloadSize))
	both, _ := s.Seal(first, Header{Type: Parity, Count: BlockPackets, Block: 1, Index: ParityIndex(5)}, bytesFrom(2, payloadSize))
	if !bytes.HasPrefix(both, []byte("before")) || len(both) != 6+2*(payloadSize+Overhead) {
		t.Fatalf("%d bytes, %q", len(both), both[:6])
	}
	for i, want := range []PacketID{{1, 2}, {1, 197}} {
		at := 6 + i*(payloadSize+Overhead)
		h, payload, ok := o.Open(both[at : at+payloadSize+Overhead])
		if !ok || h.ID() != want || h.Counter != uint64(i) || !bytes.Equal(payload, bytesFrom(i+1, payloadSize)) {
			t.Errorf("packet %d: got %+v, %t", i, h, ok)
		}
	}
}

// One nonce twice would give the key away.
func TestEveryTransmissionHasItsOwnNonce(t *testing.T) {
	s, _ := newPair(t)
	a := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))
	b := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))
	if bytes.Equal(a[HeaderSize:], b[HeaderSize:]) {
		t.Error("a packet sent again has the same ciphertext")
	}
	s.c.nonce[0] ^= 1 // the salt is part of it
	s.next = 0
	if c := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize)); bytes.Equal(a[HeaderSize:], c[HeaderSize:]) {
		t.Error("the salt does not matter")
	}
}

func TestFault58CounterAtItsLimit(t *testing.T) {
	s, o := newPair(t)
	s.next = MaxPackets - 1
	last := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))
	if h, _, ok := o.Open(last); !ok || h.Counter != MaxPackets-1 {
		t.Errorf("the last packet: %+v, %t", h, ok)
	}
	for range 2 {
		got, err := s.Seal([]byte("x"), dataHeader(0, 1), make([]byte, payloadSize))
		if !errors.Is(err, ErrExhausted) || string(got) != "x" || s.Next() != MaxPackets {
			t.Fatalf("got %d bytes, %v, next %d", len(got), err, s.Next())
		}
	}
}

// Fault 36: no damaged bit passes, wherever it is.
func TestFault36EveryBitIsAuthenticated(t *testing.T) {
	s, o := newPair(t)
	whole := seal(t, s, Header{Type: Data, Flags: FlagLast, Count: 1}, []byte("some payload"))
	for i := range len(whole) * 8 {
		damaged := bytes.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if _, _, ok := o.Open(damaged); ok {
			t.Errorf("bit %d of byte %d may be flipped", i%8, i/8)
		}
	}
	for n := range whole {
		if _, _, ok := o.Open(bytes.Clone(whole[:n])); ok {
			t.Errorf("its first %d bytes open", n)
		}
	}
	if _, _, ok := o.Open(append(bytes.Clone(whole), 0)); ok {
		t.Error("it opens with one byte more")
	}
	if d := o.Drops(); d.Malformed != 0 || d.Forged == 0 || d.Foreign == 0 {
		t.Errorf("got %+v", d)
	}
	if _, _, ok := o.Open(whole); !ok {
		t.Error("the whole one does not open afterwards")
	}
}

func TestFault47ForgedPackets(t *testing.T) {
	s, err := NewSealer(Key{1}, testSession) // knows the session, not the key
	if err != nil {
		t.Fatal(err)
	}
	o := newOpener(t, testKey, testSession)
	if _, _, ok := o.Open(seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))); ok {
		t.Error("opened")
	}
	if got := o.Drops(); got != (Drops{Forged: 1}) {
		t.Errorf("got %+v", got)
	}
}

// Also for one with the same key, and with the same first four bytes of the id.
func TestFault49And50PacketsOfOtherSessions(t *testing.T) {
	s, _ := newPair(t)
	sealed := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))
	near, far := testSession, testSession
	near[15] ^= 1
	far[0] ^= 1
	for id, want := range map[SessionID]Drops{near: {Forged: 1}, far: {Foreign: 1}} {
		o := newOpener(t, testKey, id)
		if _, _, ok := o.Open(bytes.Clone(sealed)); ok || o.Drops() != want {
			t.Errorf("session %x: opened %t, %+v", id, ok, o.Drops())
		}
	}
}

func TestForeignDatagrams(t *testing.T) {
	s, o := newPair(t)
	whole := seal(t, s, dataHeader(0, 0), make([]byte, payloadSize))
	all := [][]byte{nil, {}, {0xda}, make([]byte, 2000), with(whole, 0, 0), with(whole, 2, 2), whole[:Overhead-1]}
	for _, b := range all {
		if h, payload, ok := o.Open(b); ok || h != (Header{}) || payload != nil {
			t.Errorf("%x: got %+v, %t", b[:min(len(b), 8)], h, ok)
		}
	}
	if got := o.Drops(); got.Foreign != uint64(len(all)) {
		t.Errorf("got %+v", got)
	}
}

func TestOpenerRefusesItsGeometry(t *testing.T) {
	for _, payload := range []uint16{0, MinPayload - 1, MaxPayload + 1, 65535} {
		if _, err := NewOpener(testKey, testSession, Geometry{Payload: payload}); !errors.Is(err, ErrFormat) {
			t.Errorf("%d: got %v", payload, err)
		}
	}
}

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	s, o := newPair(t)
	buf, payload := make([]byte, 0, 1500), make([]byte, payloadSize)
	h, forged := dataHeader(3, 4), make([]byte, 1472)
	copy(forged, seal(t, s, h, payload)[:HeaderSize])
	if n := testing.AllocsPerRun(100, func() {
		d, err := s.Seal(buf, h, payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := o.Open(d); !ok {
			t.Fatal("not opened")
		}
		o.Open(forged)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	s, _ := newPair(b)
	buf, payload := make([]byte, 0, 1500), make([]byte, payloadSize)
	b.SetBytes(payloadSize)
	b.ReportAllocs()
	for b.Loop() {
		s.next = 0
		if _, err := s.Seal(buf, dataHeader(3, 4), payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	s, o := newPair(b)
	sealed := seal(b, s, dataHeader(3, 4), make([]byte, payloadSize))
	buf := make([]byte, len(sealed))
	b.SetBytes(payloadSize)
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, sealed) // Open works in place
		if _, _, ok := o.Open(buf); !ok {
			b.Fatal("not opened")
		}
	}
}
