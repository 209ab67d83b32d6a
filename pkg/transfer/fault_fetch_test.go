package transfer

import (
	"context"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestFault57EndlessFetch: a member asks for all there is, again and again. It has a
// budget; the others notice nothing.
func TestFault57EndlessFetch(t *testing.T) {
	s, want := faultSession(t, 3, 8<<20)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	wait := s.withRogue(t, func(r *rogue) {
		var all rangeset.Set
		all.Add(0, uint64(8<<20/wire.DefaultPayload))
		for ctx.Err() == nil {
			r.say(wire.Fetch{Packets: all})
			select {
			case <-r.gone:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		t.Error("the rogue is served for ever")
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[:2]...)
}

// TestFault57FetchBeyondTheEnd: packets that are not there.
func TestFault57FetchBeyondTheEnd(t *testing.T) {
	s, want := faultSession(t, 2, 3*wire.DefaultPayload+5)
	wait := s.withRogue(t, func(r *rogue) {
		var all rangeset.Set
		all.Add(0, wire.MaxPackets)
		for range 100 {
			r.say(wire.Fetch{Packets: all})
			time.Sleep(time.Millisecond)
		}
		r.say(wire.Bye{Reason: wire.Interrupted})
		<-r.gone
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[0])
}
