package transfer

import (
	"errors"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// tokenSession is a session of n receivers by a token, and of one host more that has the
// address of another and comes when start is closed.
func tokenSession(t *testing.T, n, size, like int, start <-chan struct{}) (s *session, again *testHost, want []byte) {
	s, want = faultSession(t, n+1, size)
	s.send.Hosts, s.send.Receivers, s.send.Secret = nil, n, Secret{1, 2, 3}
	for _, h := range s.hosts {
		h.cfg.Secret = s.send.Secret
	}
	again = s.hosts[n]
	again.cfg.LocalIP, again.start = s.hosts[like].cfg.LocalIP, start
	return s, again, want
}

// TestFault12BackBeforeItIsMissed: a host whose receiver died without a word, and that
// receives again before the sender has missed it, gets the place of its own predecessor
// although all are taken, all bytes, and counts once.
func TestFault12BackBeforeItIsMissed(t *testing.T) {
	t.Parallel()
	died := make(chan struct{})
	s, again, _ := tokenSession(t, 3, 16<<20, 2, died)
	s.send.MaxRate = 100 * pace.Mbps
	s.hosts = append(s.hosts[:2], again, s.hosts[2]) // the last one is the rogue
	wait := s.withRogue(t, func(r *rogue) {
		close(died)
		r.wantBye(wire.Replaced)
	})
	s.run()
	wait()
	if s.sendErr != nil || len(s.result.Hosts) != 3 || s.result.Done() != 3 {
		t.Errorf("%v, %+v\n%s", s.sendErr, s.result, s.log)
	}
	for i, h := range s.hosts[:3] {
		if h.err != nil || h.result.Size != 16<<20 {
			t.Errorf("host %d: %v, %d bytes", i, h.err, h.result.Size)
		}
	}
	if s.took > wire.SilenceLimit-doubtGrace {
		t.Errorf("it took %v: the silent one was waited for", s.took)
	}
}

// TestFault54SameAddressTwice: a receiver that lives keeps its place; who comes from its
// address when all are taken is refused, and told why.
func TestFault54SameAddressTwice(t *testing.T) {
	t.Parallel()
	s, again, want := tokenSession(t, 2, 40<<20, 1, nil)
	s.send.MaxRate = 100 * pace.Mbps // for 3.3 s
	again.start = s.hosts[1].afterBytes(2 << 20)
	s.run()
	var bye *ByeError
	if !errors.As(again.err, &bye) || bye.Reason != wire.Refused || !strings.Contains(bye.Text, isFull) {
		t.Errorf("the second of the address ended with %v", again.err)
	}
	if s.sendErr != nil || len(s.result.Hosts) != 2 || s.result.Done() != 2 {
		t.Errorf("%v, %+v\n%s", s.sendErr, s.result, s.log)
	}
	for i, h := range s.hosts[:2] {
		if h.err != nil || h.result.Size != int64(len(want)) {
			t.Errorf("host %d: %v, %d bytes", i, h.err, h.result.Size)
		}
	}
}
