package imageset

import (
	"sync"
)

// hashBuffer is what is read back at a time, hashJobs how far hashing may stay behind
// before writing waits for it.
const (
	hashBuffer = 256 << 10
	hashJobs   = 32
)

// A hashJob says that a blob is there until an offset.
type hashJob struct {
	of *arrival
	to int64
	// whole, when set, is called once all is hashed, or with why it cannot be.
	whole func(error)
}

// A hasher hashes what did not come in order, by reading it back, beside the goroutine
// that writes; and it hands over what is whole.
type hasher struct {
	jobs   chan hashJob // nil before the first; closed by the sink
	failed func(error)
	wg     sync.WaitGroup
}

// add hands over a job. It waits while there are many.
func (h *hasher) add(job hashJob) {
	if h.jobs == nil {
		h.jobs = make(chan hashJob, hashJobs)
		h.wg.Go(h.run)
	}
	h.jobs <- job
}

func (h *hasher) run() {
	buf := make([]byte, hashBuffer)
	for job := range h.jobs {
		err := job.of.stage.Hash(job.to, buf)
		job.of.hashed.Store(job.to)
		switch {
		case job.whole != nil:
			job.whole(err)
		case err != nil:
			h.failed(err)
		}
	}
}

// wait ends the hasher once it has done all that it was given.
func (h *hasher) wait() {
	if h.jobs != nil {
		close(h.jobs)
		h.wg.Wait()
		h.jobs = nil
	}
}
