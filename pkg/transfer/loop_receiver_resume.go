package transfer

import (
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A resumption is how far a receiver has come with what an earlier session left. The
// reception's loop owns it.
type resumption struct {
	isOn    bool          // a RESUME has announced it, and the answer was not sent
	isRead  bool          // held is known
	held    []heldSegment // read and hashed, ascending; those that were compared are gone
	claimed []uint32      // of these, the sender's
	other   []uint32      // of these, not the sender's
}

// announceResume looks whether a journal is of a stream like this, and tells the sender
// that there is something to resume, before READY: it tells the digests first then.
func (r *reception) announceResume(c *conn, w wire.Welcome) error {
	j := r.sink.journal
	if j == nil {
		return nil
	}
	isSame, err := j.begin(w)
	if err != nil {
		return err
	}
	size := int64(0)
	if isSame {
		size = int64(w.Size) // nothing stays behind the end
	}
	if err := r.sink.file.Truncate(size); err != nil {
		return fmt.Errorf("%w: %w", ErrSink, err)
	}
	if j.Len() == 0 {
		return nil
	}
	r.resume.isOn = true
	return c.send(wire.Resume{})
}

// recheck reads what the journal names of a stream of such a size, on a goroutine of its
// own.
func (r *reception) recheck(size uint64) {
	held, spoiled := r.sink.journal.recheck(r.g, size, r.sink.file, r.quit)
	r.post(func() {
		if spoiled > 0 {
			r.log.Warn("part of what was received before is not what it was, and is received again", "segments", spoiled)
		}
		r.resume.held, r.resume.isRead = held, true
		r.claim()
	})
}

// claim compares what is held with the sender's digests, as far as they are known, and
// tells the sender when it is through.
func (r *reception) claim() {
	m := &r.resume
	if !m.isOn || !m.isRead {
		return
	}
	for len(m.held) > 0 && int(m.held[0].number) < len(r.digests) {
		seg := m.held[0].number
		if m.held[0].digest != r.digests[seg] {
			m.other = append(m.other, seg)
		} else if !r.core.IsSegmentComplete(seg) { // else it came meanwhile
			r.claimSegment(seg)
		}
		m.held = m.held[1:]
	}
	if r.end == nil {
		return
	}
	m.isOn = false
	r.sink.journal.drop(m.other)
	r.log.Info("resuming", "held", r.result.Resumed, "of", r.core.size, "others", len(m.other))
	r.say(wire.Resume{Held: blocksOf(r.g, r.core.size, m.claimed)})
	r.checkEnd()
}

// claimSegment counts a segment of the file as received.
func (r *reception) claimSegment(seg uint32) {
	if s := r.segments[seg]; s != nil {
		delete(r.segments, seg)
		r.free = append(r.free, s)
	}
	r.core.SegmentVerified(seg)
	delete(r.bad, seg)
	size := int64(segmentLen(r.g, r.core.size, seg))
	r.result.Size += size
	r.result.Resumed += size
	r.resume.claimed = append(r.resume.claimed, seg)
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.result.Size)
	}
}
