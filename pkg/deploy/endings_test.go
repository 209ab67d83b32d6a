package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

// slack is what a run may take beyond its deadline: EndTime, LateCloseTime.
const slack = 8 * time.Second

// hostCalls are what every host is asked for in a run that sends.
var hostCalls = []string{
	message.CallSetup, message.CallList, message.CallCheck, message.CallServe,
	message.CallReceive, message.CallActivate, message.CallVerify,
}

var senderCalls = []string{
	message.CallSetup, message.CallImport, message.CallCentral, message.CallListen, message.CallSend,
}

// A host whose agent hangs in one call, although it beats, ends by a deadline
// and says so; the others do not notice (I2, I3).
func TestHungCallEndsByTheDeadline(t *testing.T) {
	for _, call := range hostCalls {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 3)
				b.cfg.Timeout = 10 * time.Minute
				b.agents[1].hangs = call
				begin := time.Now()
				rep, err := b.run()
				if took := time.Since(begin); err != nil || took > b.cfg.Timeout+slack {
					t.Fatalf("got %v after %v", err, took)
				}
				want := progress.Failed // it hangs again
				if call == message.CallReceive || call == message.CallCheck {
					want = progress.Central
				}
				if h := rep.Hosts[1]; h.Outcome != want || h.Reason != reasonDeadline {
					t.Errorf("got %s, %s: %s", h.Outcome, h.Reason, h.Detail)
				}
				if rep.Outcome(progress.Local) != 2 {
					t.Errorf("the others: %+v", rep.Counts)
				}
			})
		})
	}
}

// When everything hangs the run still ends in time, with a report.
func TestFault75EverythingHangs(t *testing.T) {
	for _, call := range slices.Concat(hostCalls, senderCalls) {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 3)
				b.cfg.Timeout = 90 * time.Second
				for _, f := range append(slices.Clone(b.agents), b.sender) {
					f.hangs = call
				}
				begin := time.Now()
				rep, err := b.run()
				if took := time.Since(begin); took > b.cfg.Timeout+slack {
					t.Errorf("it took %v", took)
				}
				if err == nil && rep.Outcome(progress.Local) > 0 && call != message.CallSend {
					t.Errorf("got %+v", rep.Counts)
				}
				if len(rep.Hosts) != 3 || rep.Schema != ReportSchema {
					t.Errorf("report %+v", rep)
				}
				if err == nil && !slices.ContainsFunc(rep.Timings, func(s Timing) bool { return s.Step == "kolla" }) {
					t.Errorf("the last step was not done: %v", rep.Timings)
				}
			})
		})
	}
}

// A sender whose agent dies in the middle ends the run: nothing is switched to,
// and nobody is told that the hosts are at fault.
func TestFault3SenderDiesWhileItSends(t *testing.T) {
	b := newBench(t, 2)
	b.sender.dies = message.CallSend
	_, err := b.run()
	if err == nil || errors.Is(err, ErrInput) || errors.Is(err, ErrNoWay) || !strings.Contains(err.Error(), "the sender's agent was lost") {
		t.Errorf("got %v", err)
	}
	for _, f := range b.agents {
		if f.did(message.CallActivate) != 0 {
			t.Error("a host was switched to the set")
		}
	}
}

// A sender that answers before it takes anybody leaves the hosts their sessions,
// and they lean.
func TestSenderThatDoesNotBegin(t *testing.T) {
	b := newBench(t, 2)
	b.sender.mute = true
	b.sender.errs[message.CallSend] = failure(message.ReasonTransfer, "no such group")
	rep, err := b.run()
	if err != nil || rep.Outcome(progress.Central) != 2 || rep.Hosts[0].Reason != message.ReasonTransfer {
		t.Errorf("got %+v, %v", rep.Hosts, err)
	}
	if b.agents[0].did(message.CallReceive) != 0 || len(b.sessions) != 3 {
		t.Errorf("calls %v, %d sessions", b.agents[0].calls, len(b.sessions))
	}
}

// What the sender has sent is in the report although it says so after the hosts,
// and one that does not end is not waited for.
func TestSenderEndsAfterTheHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.sender.onCall = func(name string) {
			if name == message.CallSend {
				time.Sleep(WindUpTime / 2)
			}
		}
		rep, err := b.run()
		if err != nil || rep.SentBytes != 4000 || rep.Outcome(progress.Local) != 2 {
			t.Errorf("sent %d, %+v, %v", rep.SentBytes, rep.Counts, err)
		}
		b = newBench(t, 2)
		b.sender.hangs = message.CallSend
		begin := time.Now()
		rep, err = b.run()
		if took := time.Since(begin); err != nil || took > WindUpTime+slack || rep.Outcome(progress.Local) != 2 {
			t.Errorf("after %v: %+v, %v", took, rep.Counts, err)
		}
	})
}

// Who is cut short is told by what: its own limit or the run's.
func TestTimeIsUp(t *testing.T) {
	for limit, ofRun := range map[time.Duration]bool{0: false, 2 * time.Hour: true} {
		r := &run{deadline: time.Now()}
		if !ofRun {
			r.deadline = r.deadline.Add(time.Hour)
		}
		ctx, cancel := r.within(t.Context(), limit)
		<-ctx.Done()
		cause := context.Cause(ctx)
		cancel()
		if !errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, ErrDeadline) != ofRun {
			t.Errorf("limit %v: got %v", limit, cause)
		}
		if p := problemOf("list", fmt.Errorf("x: %w", cause)); p.Reason != reasonDeadline {
			t.Errorf("limit %v: %+v", limit, p)
		}
	}
}

// Ctrl-C in any step closes every session in order, so that agents can clean up,
// and leaves nothing running.
func TestFault5InterruptInAnyStep(t *testing.T) {
	for _, call := range slices.Concat(hostCalls, senderCalls) {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 3)
				f := b.agents[0]
				if slices.Contains(senderCalls, call) {
					f = b.sender
				}
				f.hangs = call
				r := newRun(b.cfg)
				r.dial = b.dial(r)
				ctx, cancel := contextCancelledAt(t, f, call)
				defer cancel()
				begin := time.Now()
				rep, err := r.whole(ctx)
				if !errors.Is(err, ErrInterrupted) || !errors.Is(err, errInterrupted) || time.Since(begin) > CloseTime {
					t.Fatalf("got %v after %v", err, time.Since(begin))
				}
				for _, h := range rep.Hosts {
					if h.Outcome != progress.Local && h.Reason != reasonInterrupted {
						t.Errorf("%s: %s because of %s: %s", h.Name, h.Outcome, h.Reason, h.Detail)
					}
				}
				synctest.Wait()
				for _, s := range b.sessions {
					select {
					case <-s.done:
					default:
						t.Error("a session goes on")
					}
					if !s.inOrder.Load() {
						t.Error("a session was killed")
					}
				}
			})
		})
	}
}
