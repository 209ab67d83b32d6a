package jasmine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	chunkPackets = 64
	chunkBytes   = chunkPackets * maxPayload

	// arenaChunks bounds a client's packet memory to 59.8 MB: two buffers of
	// our own server with room, so that one is written while the next comes.
	arenaChunks = 640
)

// An arena is all the memory that a client keeps packets in. A buffer that does
// not fit - the original server's 65536 packets are 95.7 MB - has its rest in a
// temporary file without a name: the kernel may keep that in memory or not, as
// it can afford. Safe for concurrent use.
type arena struct {
	freed chan struct{} // holds a token after chunks came back

	mu    sync.Mutex
	free  [][]byte
	inUse int
	spill *os.File // or nil
	tmp   func() (*os.File, error)
}

func newArena() *arena {
	return &arena{freed: make(chan struct{}, 1), tmp: unnamedFile}
}

// take returns room for count packets, or false if it must wait until another
// buffer is put back.
func (a *arena) take(count int) (*slots, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	need := (count + chunkPackets - 1) / chunkPackets
	if a.inUse > 0 && a.inUse+need > arenaChunks {
		return nil, false, nil
	}
	s := &slots{}
	if need > arenaChunks {
		if a.spill == nil {
			var err error
			if a.spill, err = a.tmp(); err != nil {
				return nil, false, fmt.Errorf("making room for a buffer of %d packets: %w", count, err)
			}
		}
		s.spill, need = a.spill, arenaChunks
	}
	for range need {
		s.chunks = append(s.chunks, a.chunk())
	}
	a.inUse += need
	return s, true, nil
}

func (a *arena) chunk() []byte {
	n := len(a.free)
	if n == 0 {
		return make([]byte, chunkBytes)
	}
	c := a.free[n-1]
	a.free = a.free[:n-1]
	return c
}

// put gives the room of a buffer back.
func (a *arena) put(s *slots) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free = append(a.free, s.chunks...)
	a.inUse -= len(s.chunks)
	s.chunks = nil
	select {
	case a.freed <- struct{}{}:
	default:
	}
}

func (a *arena) close() {
	if a.spill != nil {
		a.spill.Close()
	}
}

// unnamedFile makes a temporary file that is gone when it is closed, however
// the process ends.
func unnamedFile() (*os.File, error) {
	f, err := os.CreateTemp("", "daisy-mcast-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// slots are the room of one buffer: one slot of maxPayload bytes a packet.
type slots struct {
	chunks [][]byte
	spill  *os.File // holds the slots after those of chunks; nil if there are none
}

// store puts the i-th packet in its slot.
func (s *slots) store(i int, payload []byte) error {
	chunk, at := i/chunkPackets, i%chunkPackets*maxPayload
	if chunk < len(s.chunks) {
		copy(s.chunks[chunk][at:], payload)
		return nil
	}
	_, err := s.spill.WriteAt(payload, s.spillOffset(chunk)+int64(at))
	return err
}

func (s *slots) spillOffset(chunk int) int64 { return int64(chunk-len(s.chunks)) * chunkBytes }

// writeTo writes the packets in order. sizes are their lengths.
func (s *slots) writeTo(w io.Writer, sizes []uint16) error {
	var scratch []byte
	for chunk := 0; len(sizes) > 0; chunk++ {
		n := min(len(sizes), chunkPackets)
		var mem []byte
		if chunk < len(s.chunks) {
			mem = s.chunks[chunk]
		} else {
			if scratch == nil {
				scratch = make([]byte, chunkBytes)
			}
			mem = scratch
			if _, err := s.spill.ReadAt(mem, s.spillOffset(chunk)); err != nil && !errors.Is(err, io.EOF) { // a short last chunk
				return fmt.Errorf("reading the buffer back: %w", err)
			}
		}
		if err := writeRuns(w, mem, sizes[:n]); err != nil {
			return err
		}
		sizes = sizes[n:]
	}
	return nil
}

// writeRuns writes slots; full ones lie back to back and go out in one write.
func writeRuns(w io.Writer, mem []byte, sizes []uint16) error {
	from := 0
	for i, n := range sizes {
		if n == maxPayload && i < len(sizes)-1 {
			continue
		}
		if _, err := w.Write(mem[from*maxPayload : i*maxPayload+int(n)]); err != nil {
			return &OutputError{err}
		}
		from = i + 1
	}
	return nil
}
