package jasmine

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

// fillAssembly adds packets with these lengths in random order and returns the
// stream that they are.
func fillAssembly(t *testing.T, a *assembly, sizes []int) []byte {
	t.Helper()
	payloads := make([][]byte, len(sizes))
	for i, n := range sizes {
		payloads[i] = bytes.Repeat([]byte{byte(i), byte(i >> 8)}, n/2+1)[:n]
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(sizes)) {
		if v := a.add(a.info.Base+uint32(i), payloads[i]); v != added {
			t.Fatalf("packet %d: verdict %d", i, v)
		}
		if v := a.add(a.info.Base+uint32(i), payloads[i]); v != duplicate {
			t.Fatalf("packet %d again: verdict %d", i, v)
		}
	}
	return bytes.Join(payloads, nil)
}

func newTestAssembly(t *testing.T, memory *arena, sizes []int) *assembly {
	t.Helper()
	info := bufferInfo{ID: 1, Base: 1000, Count: uint32(len(sizes))}
	for _, n := range sizes {
		info.Size += uint32(n)
	}
	room, ok, err := memory.take(len(sizes))
	if err != nil || !ok {
		t.Fatal("no room", err)
	}
	return newAssembly(info, room)
}

// Short packets may be anywhere: order comes from the numbers, never from a
// length.
func TestShortPacketsAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		sizes := make([]int, 1+rng.IntN(300))
		for i := range sizes {
			sizes[i] = maxPayload
			if rng.IntN(3) == 0 {
				sizes[i] = 1 + rng.IntN(maxPayload)
			}
		}
		a := newTestAssembly(t, newArena(), sizes)
		want := fillAssembly(t, a, sizes)
		if !isClosed(a.full) {
			t.Fatal("complete, but not full")
		}
		var got bytes.Buffer
		if err := a.slots.writeTo(&got, a.sizes); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%v: wrote %d bytes that are not the %d sent", err, got.Len(), len(want))
		}
	}
}

// The largest buffer of the original server has most of its packets in memory
// and the rest in a file without a name.
func TestLargestBufferSpills(t *testing.T) {
	memory := newArena()
	defer memory.close()
	sizes := make([]int, maxCount)
	for i := range sizes {
		sizes[i] = 1 + i%5
	}
	sizes[maxCount-1] = maxPayload
	a := newTestAssembly(t, memory, sizes)
	want := fillAssembly(t, a, sizes)
	if a.slots.spill == nil || len(a.slots.chunks) != arenaChunks {
		t.Errorf("%d chunks in memory, want %d", len(a.slots.chunks), arenaChunks)
	}
	var got bytes.Buffer
	if err := a.slots.writeTo(&got, a.sizes); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v: wrote %d bytes that are not the %d sent", err, got.Len(), len(want))
	}
	if _, err := os.Stat(memory.spill.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file has a name: %v", err)
	}
}

func TestSpillWithoutRoom(t *testing.T) {
	memory := newArena()
	memory.tmp = func() (*os.File, error) { return nil, syscall.EROFS }
	if _, _, err := memory.take(maxCount); !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v, want the reason", err)
	}
	memory.tmp = func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) }
	room, _, err := memory.take(maxCount)
	if err != nil {
		t.Skip(err)
	}
	a := newAssembly(bufferInfo{ID: 1, Size: maxCount, Count: maxCount}, room)
	if v := a.add(maxCount-1, []byte{1}); v != misfit {
		t.Errorf("verdict %d for a packet that could not be stored", v)
	}
	if _, err := a.left(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
}

// Two buffers of our own server fit; a third waits until one is written.
func TestArenaIsBounded(t *testing.T) {
	memory := newArena()
	first, ok, _ := memory.take(bufferPackets)
	_, ok2, _ := memory.take(bufferPackets)
	if !ok || !ok2 {
		t.Fatal("two buffers do not fit")
	}
	if _, ok, _ := memory.take(bufferPackets); ok {
		t.Error("a third fits")
	}
	memory.put(first)
	<-memory.freed
	if _, ok, _ := memory.take(bufferPackets); !ok {
		t.Error("no room after one was put back")
	}
}

// No packet can make the bytes differ from what was announced.
func TestLengthsThatCannotBe(t *testing.T) {
	room, _, _ := newArena().take(3)
	a := newAssembly(bufferInfo{ID: 1, Size: 2*maxPayload + 1, Base: 5, Count: 3}, room)
	for _, tt := range []struct {
		name string
		seq  uint32
		n    int
		want verdict
	}{
		{"before the buffer", 4, 1, misfit},
		{"after the buffer", 8, 1, misfit},
		{"of nothing", 5, 0, misfit},
		{"full", 5, maxPayload, added},
		{"leaving nothing for the last", 6, maxPayload + 1, misfit},
		{"of one byte, the last full", 6, 1, added},
		{"again", 6, 1, duplicate},
		{"last, too short", 7, maxPayload - 1, misfit},
		{"last", 7, maxPayload, added},
	} {
		if got := a.add(tt.seq, make([]byte, tt.n)); got != tt.want {
			t.Errorf("%s: verdict %d, want %d", tt.name, got, tt.want)
		}
	}
	if !isClosed(a.full) || a.room != 0 {
		t.Errorf("%d bytes are missing", a.room)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	room, _, _ := newArena().take(1000)
	a := newAssembly(bufferInfo{ID: 1, Size: 1000 * maxPayload, Count: 1000}, room)
	payload := make([]byte, maxPayload)
	seq := uint32(0)
	if n := testing.AllocsPerRun(900, func() { a.add(seq, payload); seq++ }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
