package transfer

import (
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A resumption is how far a receiver has come with what an earlier session left. The
// reception's loop owns it.
type resumption struct {
	hasBegun bool          // the journal is this stream's
	round    int           // times that it began again, since another WELCOME came
	isOn     bool          // a RESUME has announced it, and the answer was not sent
	isRead   bool          // held is known
	held     []heldSegment // read and hashed, ascending; those that were compared are gone
	claimed  []uint32      // of these, the sender's
	other    []uint32      // of these, not the sender's
}

// announceResume looks whether a journal is of a stream like this, and tells the sender
// that there is something to resume, before READY: it tells the digests first then.
func (r *reception) announceResume() {
	j := r.sink.journal
	if j == nil || !j.isOf(r.welcome) || j.Len() == 0 {
		return
	}
	r.resume.isOn = true
	_ = r.c.send(wire.Resume{})                        // its failure shows elsewhere
	g, size, round := r.g, r.core.size, r.resume.round // the loop may write them again
	r.wg.Go(func() { r.recheck(g, size, round) })
}

// resumeAgain begins again after another WELCOME. The sender may wait for an answer to
// what was announced before it: there is one, if only that nothing is held.
func (r *reception) resumeAgain() {
	wasOn := r.resume.isOn
	r.resume = resumption{round: r.resume.round + 1}
	if r.announceResume(); wasOn && !r.resume.isOn {
		r.resume.isOn, r.resume.isRead = true, true
	}
}

// beginJournal makes the journal that of this stream, before anything of it is written:
// what an earlier session left of another is gone from then on.
func (r *reception) beginJournal() bool {
	j := r.sink.journal
	if j == nil || r.resume.hasBegun {
		return true
	}
	r.resume.hasBegun = true
	isSame, err := j.begin(r.welcome)
	if err == nil {
		size := int64(0)
		if isSame {
			size = int64(r.welcome.Size) // nothing stays behind the end
		}
		err = r.sink.file.Truncate(size)
	}
	if err != nil {
		r.fail(wire.Local, fmt.Errorf("%w: %w", ErrSink, err))
	}
	return err == nil
}

// recheck reads what the journal names of a stream of such a size, on a goroutine of its
// own.
func (r *reception) recheck(g wire.Geometry, size uint64, round int) {
	held, spoiled := r.sink.journal.recheck(g, size, r.sink.file, r.quit)
	r.post(func() {
		if r.resume.round != round {
			return
		}
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
	r.count(size)
	r.result.Resumed += size
	r.resume.claimed = append(r.resume.claimed, seg)
}
