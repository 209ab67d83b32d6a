package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// TestFault37SmallMTU: a host that full packets do not reach, and small ones do, gets
// the stream over TCP; both sides name the MTU. Of a stream it is given up, for the same
// reason. The others notice nothing.
func TestFault37SmallMTU(t *testing.T) {
	const size = 40 << 20
	want := testBytes(size)
	for _, stream := range []bool{false, true} {
		src := FileSource(bytes.NewReader(want), size)
		if stream {
			src = StreamSource(io.MultiReader(bytes.NewReader(want)))
		}
		s := newSession(t, 3, src)
		s.send.MaxRate = 200 * pace.Mbps
		narrow := s.hosts[1]
		narrow.dropIf(func(d []byte) bool { return len(d) > 1400-ipOverhead })
		s.run()
		r := s.resultOf(narrow)
		if stream {
			s.wantAll(want, s.hosts[0], s.hosts[2])
			var bye *ByeError
			if !errors.As(narrow.err, &bye) || bye.Reason != wire.TooLarge || r.Reason != wire.TooLarge {
				t.Errorf("it ended with %v; the sender says %+v", narrow.err, r)
			}
			continue
		}
		s.wantAll(want, s.hosts...)
		if r.Detached != wire.TooLarge || narrow.result.Detached != wire.TooLarge || narrow.result.Repairs == 0 {
			t.Errorf("the sender says %+v, the host %+v", r, narrow.result)
		}
		if log := s.log.String(); !strings.Contains(log, "packet=1500") || !strings.Contains(log, "mtu=") {
			t.Errorf("the log does not tell of the MTU:\n%s", log)
		}
		for _, h := range []*testHost{s.hosts[0], s.hosts[2]} {
			if r := s.resultOf(h); r.Detached != 0 {
				t.Errorf("another was detached: %+v", r)
			}
		}
	}
}

// TestFault37OwnInterface: packets are no larger than the sender's own interface takes.
func TestFault37OwnInterface(t *testing.T) {
	for mtu, want := range map[int]uint16{68: wire.MinPayload, 1400: 1332, 1500: wire.DefaultPayload, 9000: wire.DefaultPayload, 65536: wire.DefaultPayload} {
		if got := payloadFor(mtu); got != want {
			t.Errorf("MTU %d: payload %d, want %d", mtu, got, want)
		}
	}
}
