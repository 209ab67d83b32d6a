package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// lateStream is a stream to three hosts, of which the last comes when the first has so
// many bytes.
func lateStream(t *testing.T, size int, late int64) (*session, []byte) {
	want := testBytes(size)
	s := newSession(t, 3, StreamSource(io.MultiReader(bytes.NewReader(want))))
	s.send.JoinTimeout, s.send.MaxRate = enoughToJoin, 200*pace.Mbps
	s.hosts[2].start = s.hosts[0].afterBytes(late)
	return s, want
}

// TestLateInTheStreamsWindow: who comes while the sender still has the stream's
// beginning gets all of it, though all others hold that long since.
func TestLateInTheStreamsWindow(t *testing.T) {
	t.Parallel()
	s, want := lateStream(t, 40<<20, 6<<20)
	s.send.Slow = Wait // also for who lacks a processor
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.resultOf(s.hosts[2]); r.Detached != 0 || s.hosts[2].result.Repairs != 0 {
		t.Errorf("it was served apart: %+v, %+v", r, s.hosts[2].result)
	}
}

// TestLateBeyondTheStreamsWindow: who comes when the beginning is gone is told so at
// once, and both sides name the reason; the others notice nothing.
func TestLateBeyondTheStreamsWindow(t *testing.T) {
	t.Parallel()
	s, want := lateStream(t, 48<<20, 32<<20)
	s.send.Memory, s.send.Slow = 24<<20, Wait // for the first two, who may lack a processor
	s.run()
	s.wantAll(want, s.hosts[:2]...)
	var bye *ByeError
	if err := s.hosts[2].err; !errors.As(err, &bye) || bye.Reason != wire.Gone || !strings.Contains(err.Error(), "window") {
		t.Errorf("the late one ended with %v", err)
	}
	if r := s.resultOf(s.hosts[2]); r.Done || r.Reason != wire.Gone {
		t.Errorf("the sender says %+v", r)
	}
}

// TestDetachedFromAStream: a host that falls out of the stream's window is given up,
// with the reason, and does not hold up the others.
func TestDetachedFromAStream(t *testing.T) {
	t.Parallel()
	s, want := lateStream(t, 48<<20, 0)
	s.send.Memory = 24 << 20
	s.hosts[2].start = nil
	s.hosts[2].dropIf(after(2000, func() { time.Sleep(3 * time.Second) })) // the fault itself
	s.run()
	s.wantAll(want, s.hosts[:2]...)
	if r := s.resultOf(s.hosts[2]); r.Done || r.Reason != wire.Gone {
		t.Errorf("the sender says %+v", r)
	}
	if s.took > 8*time.Second {
		t.Errorf("the others took %v", s.took)
	}
}

// TestPausedInAStream: a host that the others do not wait for gets all of a stream as long
// as the sender's memory has what it lacks: in the main pass again, or after it.
func TestPausedInAStream(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"a moment": 600 * time.Millisecond, "to the end": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, want := lateStream(t, 40<<20, 0)
			s.hosts[2].start = nil
			s.hosts[2].dropIf(after(2000, func() { time.Sleep(pause) })) // the fault itself
			s.run()
			s.wantAll(want, s.hosts...)
			if r := s.resultOf(s.hosts[2]); r.Detached == 0 {
				t.Errorf("the others waited for it: %+v", r)
			}
		})
	}
}

// TestDeafToAStream: who hears nothing of the group gets a stream that fits into the
// sender's memory over TCP, once its end is known.
func TestDeafToAStream(t *testing.T) {
	t.Parallel()
	s, want := lateStream(t, 40<<20, 0)
	s.hosts[2].start = nil
	s.hosts[2].lose(1, 1)
	s.run()
	s.wantAll(want, s.hosts...)
	if r := s.resultOf(s.hosts[2]); r.Detached != wire.NoMulticast || s.hosts[2].result.Repairs == 0 {
		t.Errorf("the sender says %+v, the host %+v", r, s.hosts[2].result)
	}
}
