package transfer

import "github.com/daisy-mcast/daisy-mcast/pkg/wire"

// resume takes in what a receiver holds. One without blocks, before READY or after
// another WELCOME, says that
// there is something, and that the answer needs the digests: the source is read for
// them, and the start waits for the answer.
func (s *sending) resume(p *peer, m wire.Resume) {
	if m.Held.Len() == 0 && (!p.isReady || p.isRecut) && !s.isBegun && !s.src.isStream() {
		p.isResuming, p.isRecut = true, false
		s.startReading()
		select {
		case s.survey <- struct{}{}:
		default: // it is on already
		}
		return
	}
	p.isResuming = false
	for r := range m.Held.All() {
		p.held.Add(r.First, r.End)
	}
	if p.isReady {
		s.core.Held(p.id, p.held)
	}
}

// awaitsResume reports whether some receiver still looks what it holds.
func (s *sending) awaitsResume() bool {
	for _, p := range s.peers {
		if p.isResuming && p.isReady && !p.isOver {
			return true
		}
	}
	return false
}
