package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// A starvation is how long one thread of a process, that which fared worst, has waited
// for a processor that others had. It is no time of the program's.
type starvation struct{ longest atomic.Int64 } // a time.Duration

// watchStarvation looks at a process until it ends.
func watchStarvation(p *lab.Process) *starvation {
	s := &starvation{}
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			s.look(p.PID())
			select {
			case <-p.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return s
}

// look reads the second figure of each thread's schedstat: nanoseconds in which it could
// have run and did not. A kernel that does not count has no such file.
func (s *starvation) look(pid int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(raw), &ran, &waited); err == nil && waited > s.longest.Load() {
			s.longest.Store(waited)
		}
	}
}

func (s *starvation) time() time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(s.longest.Load())
}

// waited is how long the sender, and one of these, have waited for a processor.
func (r castResult) waited(hosts ...*lab.Host) (d time.Duration) {
	for _, h := range hosts {
		d = max(d, r.starved[r.receives[h]].time())
	}
	return d + r.starved[r.send].time()
}

// unhindered is the longest time that one of these took, without what it and the sender
// have waited for a processor more than in the calm run before: this machine runs other
// tests, and who knows what else.
func (r castResult) unhindered(hosts ...*lab.Host) time.Duration {
	return r.slowest(hosts...) - max(0, r.waited(hosts...)-r.calmStarved)
}

// TestStarvation: what a process waits for a processor is seen, and what it sleeps is not.
func TestStarvation(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip(err) // nobody is excused then
	}
	x := newCast(t, castConfig{Hosts: 1})
	var mine unix.CPUSet
	x.must(unix.SchedGetaffinity(0, &mine))
	processor := 0
	for !mine.IsSet(processor) {
		processor++
	}
	start := func(script string) (*lab.Process, *starvation) {
		p, err := x.sender.Start(lab.Cmd{Args: []string{"taskset", "-c", fmt.Sprint(processor), "sh", "-c", script}})
		x.must(err)
		return p, watchStarvation(p)
	}
	const count = "i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done"
	a, ofA := start(count)
	b, ofB := start(count)
	tookA, tookB := a.WaitContext(within(t, time.Minute)).Took, b.WaitContext(within(t, time.Minute)).Took
	if waited, took := max(ofA.time(), ofB.time()), max(tookA, tookB); waited < took/4 || waited > took {
		t.Errorf("two loops on one processor took %v, and waited %v", took, waited)
	}
	sleeps, ofIt := start("sleep 1")
	if took := sleeps.WaitContext(within(t, time.Minute)).Took; ofIt.time() > took-time.Second+100*time.Millisecond {
		t.Errorf("a second's sleep took %v, of which it waited %v", took, ofIt.time())
	}
}
