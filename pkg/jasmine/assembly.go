package jasmine

import "sync"

// A verdict is what became of a packet.
type verdict int

const (
	added     verdict = iota
	duplicate         // it is here already
	misfit            // it is not of this buffer
)

// An assembly puts one buffer together from packets in any order. Safe for
// concurrent use.
//
//	missing <= room <= missing*maxPayload
//
// holds from the announcement on, and a packet that would break it is a misfit:
// so no length can overflow the buffer, and when nothing is missing, exactly the
// announced bytes are here.
type assembly struct {
	info bufferInfo
	full chan struct{} // closed when nothing is missing

	mu      sync.Mutex
	slots   *slots
	sizes   []uint16 // 0: missing
	missing int
	room    int // announced bytes that are not here
	err     error
}

func newAssembly(info bufferInfo, s *slots) *assembly {
	a := &assembly{
		info: info, full: make(chan struct{}), slots: s,
		sizes: make([]uint16, info.Count), missing: int(info.Count), room: int(info.Size),
	}
	if a.missing == 0 {
		close(a.full)
	}
	return a
}

// add takes a packet whose sum is right.
func (a *assembly) add(seq uint32, payload []byte) verdict {
	i := seq - a.info.Base // wraps below base
	if i >= a.info.Count {
		return misfit
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sizes[i] != 0 {
		return duplicate
	}
	missing, room := a.missing-1, a.room-len(payload)
	if len(payload) == 0 || room < missing || room > missing*maxPayload {
		return misfit
	}
	if err := a.slots.store(int(i), payload); err != nil {
		a.err = err // seen by whoever waits; the packet stays missing
		return misfit
	}
	a.sizes[i] = uint16(len(payload))
	a.missing, a.room = missing, room
	if missing == 0 {
		close(a.full)
	}
	return added
}

// left returns how many packets are missing.
func (a *assembly) left() (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.missing, a.err
}

// absent appends to dst the first packets that are missing, at most max, from
// the i-th packet on; next is where to go on.
func (a *assembly) absent(dst []uint32, i, max int) (seqs []uint32, next int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ; i < len(a.sizes) && len(dst) < max; i++ {
		if a.sizes[i] == 0 {
			dst = append(dst, a.info.Base+uint32(i))
		}
	}
	return dst, i
}
