package transfer

import (
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A finishJob is a complete segment and what it has to be.
type finishJob struct {
	segment *segmentBuffer
	blocks  int
	size    int // bytes
	digest  wire.Digest
	before  wire.Digest // the digest of the segment before it; zero for the first
}

// A finished is what became of a segment; its buffer is free again.
type finished struct {
	segment *segmentBuffer
	size    int
	isGood  bool  // verified and written
	err     error // of the sink, which ends the reception
}

// A finisher mends, verifies and writes segments, on a goroutine of its own: the
// one that reads the socket must not wait for a disk.
type finisher struct {
	sink   Sink
	mender *mender
	jobs   chan finishJob // closed by the loop
	done   func(finished) // called on the finisher's goroutine

	next    uint32               // the next segment in order
	waiting map[uint32]finishJob // verified before their turn
	failed  bool
}

// newFinisher returns a finisher for as many segments as the receiver has
// buffers, so that handing one over never waits.
func newFinisher(g wire.Geometry, sink Sink, buffers int, done func(finished)) *finisher {
	return &finisher{
		sink: sink, mender: newMender(g), jobs: make(chan finishJob, buffers), done: done,
		waiting: make(map[uint32]finishJob),
	}
}

// run works until jobs is closed.
func (f *finisher) run() {
	for job := range f.jobs {
		f.finish(job)
	}
}

func (f *finisher) finish(job finishJob) {
	if f.failed {
		return
	}
	err := f.mender.mend(job.segment, job.blocks)
	if err == nil && f.sink.proving != nil {
		f.prove(job)
		return
	}
	if err != nil || !job.segment.verify(job.size, job.digest) {
		f.done(finished{segment: job.segment, size: job.size})
		return
	}
	if !f.sink.isOrdered() {
		f.write(job)
		return
	}
	f.waiting[job.segment.number] = job
	for !f.failed {
		turn, ok := f.waiting[f.next]
		if !ok {
			return
		}
		delete(f.waiting, f.next)
		f.next++
		f.write(turn)
	}
}

// prove has the sink verify and write a segment.
func (f *finisher) prove(job finishJob) {
	s := job.segment
	isGood, err := f.sink.proving.WriteSegment(s.data[:job.size], s.offset(), job.before, job.digest)
	f.failed = err != nil
	f.done(finished{segment: s, size: job.size, isGood: isGood && err == nil, err: wrapSink(err)})
}

func (f *finisher) write(job finishJob) {
	s := job.segment
	err := f.sink.write(s.data[:job.size], s.offset())
	f.failed = err != nil
	if err == nil && f.sink.journal != nil {
		f.sink.journal.add(s.number, job.digest)
	}
	f.done(finished{segment: s, size: job.size, isGood: err == nil, err: err})
}
