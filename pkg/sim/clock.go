package sim

import (
	"container/heap"
	"time"
)

// A clock runs what is due, in order of time, then in order of asking.
type clock struct {
	now   time.Duration
	seq   uint64
	queue events
}

type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// at runs do at a time that has not passed.
func (c *clock) at(t time.Duration, do func()) {
	c.seq++
	heap.Push(&c.queue, event{max(t, c.now), c.seq, do})
}

// run runs what is due until the limit, or until stop.
func (c *clock) run(limit time.Duration, stop func() bool) {
	for len(c.queue) > 0 && !stop() {
		e := heap.Pop(&c.queue).(event)
		if e.at > limit {
			c.now = limit
			return
		}
		c.now = e.at
		e.do()
	}
}
