package parity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// packetSize is that of the transport's packets, whose length is no multiple of
// what the kernels take.
const packetSize = 1432

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// packets returns n packets of size bytes in one piece of memory, end to end,
// so that a byte written past one's end is in another.
func packets(n, size int) [][]byte {
	memory := make([]byte, n*size)
	all := make([][]byte, n)
	for i := range all {
		all[i] = memory[i*size : (i+1)*size]
	}
	return all
}

func randomPackets(r *rand.Rand, n, size int) [][]byte {
	all := packets(n, size)
	for _, p := range all {
		for i := range p {
			p[i] = byte(r.Uint32())
		}
	}
	return all
}

func clone(all [][]byte) [][]byte {
	c := packets(len(all), len(all[0]))
	for i := range all {
		copy(c[i], all[i])
	}
	return c
}

// oracle is the library's own way with the same code.
func oracle(t testing.TB, data, rows int) reedsolomon.Encoder {
	t.Helper()
	e, err := reedsolomon.New(data, rows, reedsolomon.WithCauchyMatrix(), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A second implementation has to get these. They were computed by one: a few
// lines that follow doc.go word by word.
func TestGoldenRows(t *testing.T) {
	data := packets(MaxData, 4)
	for c := range data {
		copy(data[c], []byte{1, byte(c), byte(c * c), byte(7*c + 3)})
	}
	rows := packets(Rows, 4)
	Encode(rows, 0, data)
	for _, tt := range []struct {
		row  int
		want string
	}{{0, "af859534"}, {1, "af2a4e44"}, {63, "af98d376"}} {
		if got := hex.EncodeToString(rows[tt.row]); got != tt.want {
			t.Errorf("row %d: got %s, want %s", tt.row, got, tt.want)
		}
	}
	if got := coefficient(0, 0); got != reedsolomon.Inv(192) {
		t.Errorf("row 0, column 0: got %#x", got)
	}
}

func TestEncodeIsTheLibrarys(t *testing.T) {
	for _, size := range []int{1, 63, 64, 65, packetSize, Stride(packetSize)} {
		want := randomPackets(newRand(), MaxData+Rows, size)
		if err := oracle(t, MaxData, Rows).Encode(want); err != nil {
			t.Fatal(err)
		}
		for _, ask := range []struct{ first, n int }{{0, 1}, {0, 8}, {5, 20}, {63, 1}, {0, 64}} {
			got := randomPackets(newRand(), ask.n, size) // leftovers of earlier rows
			Encode(got, ask.first, want[:MaxData])
			for i := range got {
				if !bytes.Equal(got[i], want[MaxData+ask.first+i]) {
					t.Fatalf("%d bytes, rows %d and %d more: row %d differs", size, ask.first, ask.n, ask.first+i)
				}
			}
		}
	}
}

// A shorter block is as one that is filled up with zeros.
func TestShortBlock(t *testing.T) {
	r := newRand()
	for _, k := range []int{1, 2, 157, 191} {
		whole := packets(MaxData, packetSize)
		for c, p := range randomPackets(r, k, packetSize) {
			copy(whole[c], p)
		}
		want, got := packets(Rows, packetSize), packets(Rows, packetSize)
		Encode(want, 0, whole)
		Encode(got, 0, whole[:k])
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%d packets: row %d differs", k, i)
			}
		}
	}
}

// lose returns some indexes of k packets in any order, and as many rows plus
// spare, with holes, in any order.
func lose(r *rand.Rand, k, n, spare int, parity [][]byte) (lost []int, rows []Row) {
	lost = r.Perm(k)[:n]
	for _, i := range r.Perm(Rows)[:min(n+spare, Rows)] {
		rows = append(rows, Row{i, bytes.Clone(parity[i])})
	}
	return lost, rows
}

func TestDecodeIsBitExact(t *testing.T) {
	r := newRand()
	d := NewDecoder()
	for _, k := range []int{1, 2, 3, 64, 100, 191, MaxData} {
		want := randomPackets(r, k, packetSize)
		parity := packets(Rows, packetSize)
		Encode(parity, 0, want)
		for _, n := range []int{0, 1, 2, 3, 8, 16, 17, 33, 63, 64} {
			if n > k {
				continue
			}
			lost, rows := lose(r, k, n, 2, parity)
			got := clone(want)
			for _, c := range lost {
				copy(got[c], "what the buffer held before")
			}
			if err := d.Decode(got, lost, rows); err != nil {
				t.Fatalf("%d of %d lost: %v", n, k, err)
			}
			for c := range got {
				if !bytes.Equal(got[c], want[c]) {
					t.Fatalf("%d of %d lost: packet %d differs", n, k, c)
				}
			}
		}
	}
}

// Both ways around the same loss.
func TestDecodeIsTheLibrarys(t *testing.T) {
	r := newRand()
	shards := randomPackets(r, MaxData+Rows, packetSize)
	e := oracle(t, MaxData, Rows)
	if err := e.Encode(shards); err != nil {
		t.Fatal(err)
	}
	lost, rows := lose(r, MaxData, 20, 0, shards[MaxData:])
	ours := clone(shards)[:MaxData]
	theirs := clone(shards)
	arrived := make(map[int]bool)
	for _, row := range rows {
		arrived[row.Number] = true
	}
	for i := range Rows {
		if !arrived[i] {
			theirs[MaxData+i] = nil
		}
	}
	for _, c := range lost {
		clear(ours[c])
		theirs[c] = nil
	}
	if err := NewDecoder().Decode(ours, lost, rows); err != nil {
		t.Fatal(err)
	}
	if err := e.ReconstructData(theirs); err != nil {
		t.Fatal(err)
	}
	for c := range ours {
		if !bytes.Equal(ours[c], theirs[c]) || !bytes.Equal(ours[c], shards[c]) {
			t.Fatalf("packet %d differs", c)
		}
	}
}

// Each pair of rows repairs each pair of losses: the worst that a code that is
// not Cauchy's would do is fail for a few of them.
func TestEveryPairIsSolved(t *testing.T) {
	want := randomPackets(newRand(), MaxData, 1)
	parity := packets(Rows, 1)
	Encode(parity, 0, want)
	d := NewDecoder()
	for a := range MaxData {
		for b := range a {
			i := (a*31 + b) % (Rows - 1)
			rows := []Row{{i, bytes.Clone(parity[i])}, {Rows - 1, bytes.Clone(parity[Rows-1])}}
			got := clone(want)
			clear(got[a])
			clear(got[b])
			if err := d.Decode(got, []int{a, b}, rows); err != nil {
				t.Fatal(err)
			}
			if got[a][0] != want[a][0] || got[b][0] != want[b][0] {
				t.Fatalf("packets %d and %d, rows %d and %d: differs", a, b, i, Rows-1)
			}
		}
	}
}

func TestTooFewRows(t *testing.T) {
	data := randomPackets(newRand(), 10, packetSize)
	before := clone(data)
	err := NewDecoder().Decode(data, []int{1, 2}, []Row{{0, make([]byte, packetSize)}})
	if !errors.Is(err, ErrTooFew) {
		t.Errorf("got %v, want %v", err, ErrTooFew)
	}
	for c := range data {
		if !bytes.Equal(data[c], before[c]) {
			t.Errorf("packet %d was changed", c)
		}
	}
}

func TestBrokenInvariantsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"no data":             func() { Encode(packets(1, 8), 0, nil) },
		"too much data":       func() { Encode(packets(1, 8), 0, packets(MaxData+1, 8)) },
		"row too high":        func() { Encode(packets(2, 8), 63, packets(3, 8)) },
		"longer output":       func() { Encode(packets(1, 9), 0, packets(3, 8)) },
		"data of two lengths": func() { Encode(packets(1, 8), 0, [][]byte{make([]byte, 8), make([]byte, 7)}) },
		"no such row":         func() { _ = NewDecoder().Decode(packets(3, 8), []int{1}, []Row{{64, make([]byte, 8)}}) },
		"no such packet":      func() { _ = NewDecoder().Decode(packets(3, 8), []int{3}, []Row{{1, make([]byte, 8)}}) },
		"a shorter row":       func() { _ = NewDecoder().Decode(packets(3, 8), []int{1}, []Row{{1, make([]byte, 7)}}) },
		"a longer second row": func() {
			rows := []Row{{1, make([]byte, 8)}, {2, make([]byte, 9)}}
			_ = NewDecoder().Decode(packets(3, 8), []int{1, 2}, rows)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}

func TestStride(t *testing.T) {
	for size, want := range map[int]int{1: 64, 64: 64, 65: 128, packetSize: 1472} {
		if got := Stride(size); got != want {
			t.Errorf("%d: got %d, want %d", size, got, want)
		}
	}
}

// What the slack of a stride holds, at either end, does not reach the packet.
func TestSlackDoesNotMatter(t *testing.T) {
	r := newRand()
	want := randomPackets(r, MaxData, Stride(packetSize))
	parity := packets(Rows, Stride(packetSize))
	Encode(parity, 0, want)
	lost, rows := lose(r, MaxData, 8, 0, parity)
	got := clone(want)
	for _, p := range append(got[:MaxData:MaxData], rows[0].Packet, rows[7].Packet) {
		for i := packetSize; i < len(p); i++ {
			p[i] = byte(r.Uint32())
		}
	}
	if err := NewDecoder().Decode(got, lost, rows); err != nil {
		t.Fatal(err)
	}
	for c := range got {
		if !bytes.Equal(got[c][:packetSize], want[c][:packetSize]) {
			t.Fatalf("packet %d differs", c)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	data, rows := randomPackets(newRand(), MaxData, packetSize), packets(8, packetSize)
	if n := testing.AllocsPerRun(20, func() { Encode(rows, 0, data) }); n != 0 {
		t.Errorf("Encode: %v allocations", n)
	}
	arrived := make([]Row, len(rows))
	for i := range rows {
		arrived[i] = Row{i, rows[i]}
	}
	d, lost := NewDecoder(), []int{0, 20, 40, 60, 80, 100, 120, 140}
	if n := testing.AllocsPerRun(20, func() { _ = d.Decode(data, lost, arrived) }); n != 0 {
		t.Errorf("Decode: %v allocations", n)
	}
}

func BenchmarkEncode8(b *testing.B) {
	for _, size := range []int{packetSize, Stride(packetSize)} {
		b.Run(fmt.Sprintf("packet=%d", size), func(b *testing.B) {
			data, rows := randomPackets(newRand(), MaxData, size), packets(8, size)
			b.SetBytes(MaxData * packetSize)
			b.ReportAllocs()
			for b.Loop() {
				Encode(rows, 0, data)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 8, 40} {
		b.Run(fmt.Sprintf("lost=%d", n), func(b *testing.B) {
			data, parity := randomPackets(newRand(), MaxData, Stride(packetSize)), packets(n, Stride(packetSize))
			Encode(parity, 0, data)
			rows := make([]Row, n)
			for i := range rows {
				rows[i] = Row{i, parity[i]}
			}
			d, lost := NewDecoder(), newRand().Perm(MaxData)[:n]
			b.SetBytes(MaxData * packetSize)
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Decode(data, lost, rows)
			}
		})
	}
}

// BenchmarkDecode8Library is what Decode stands in for: the library inverts the
// whole block's matrix, anew for each set of losses.
func BenchmarkDecode8Library(b *testing.B) {
	e, err := reedsolomon.New(MaxData, Rows, reedsolomon.WithCauchyMatrix(),
		reedsolomon.WithMaxGoroutines(1), reedsolomon.WithInversionCache(false))
	if err != nil {
		b.Fatal(err)
	}
	shards := randomPackets(newRand(), MaxData+Rows, Stride(packetSize))
	if err := e.Encode(shards); err != nil {
		b.Fatal(err)
	}
	lost := newRand().Perm(MaxData)[:8]
	for i := MaxData + 8; i < len(shards); i++ {
		shards[i] = nil
	}
	b.SetBytes(MaxData * packetSize)
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range lost {
			shards[c] = shards[c][:0]
		}
		if err := e.ReconstructData(shards); err != nil {
			b.Fatal(err)
		}
	}
}
