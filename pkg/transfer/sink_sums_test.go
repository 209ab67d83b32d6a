package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// chainedSums make of each segment the SHA-256 of the sum before it and its bytes, so
// that a segment cannot be verified without the digest of the one before.
type chainedSums struct {
	hash.Hash
	last  [sha256.Size]byte
	taken int // bytes
	bad   error
	after int // bytes, after which it fails with bad
}

func newChainedSums() *chainedSums {
	c := &chainedSums{Hash: sha256.New()}
	c.Hash.Write(c.last[:])
	return c
}

func (c *chainedSums) Write(p []byte) (int, error) {
	if c.taken += len(p); c.bad != nil && c.taken > c.after {
		return 0, c.bad
	}
	return c.Hash.Write(p)
}

func (c *chainedSums) Sum() [sha256.Size]byte {
	c.Hash.Sum(c.last[:0])
	c.Reset()
	c.Hash.Write(c.last[:])
	return c.last
}

// A chainedSink verifies what chainedSums made, and writes it to a file.
type chainedSink struct {
	f *os.File

	mu     sync.Mutex
	order  []int64 // guarded by mu: where the segments that were right begin
	spoil  func(off int64) bool
	failed error
}

func (c *chainedSink) WriteSegment(p []byte, off int64, before, sum [sha256.Size]byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return false, c.failed
	}
	if sha256.Sum256(slices.Concat(before[:], p)) != sum || c.spoil != nil && c.spoil(off) {
		return false, nil
	}
	c.order = append(c.order, off)
	_, err := c.f.WriteAt(p, off)
	return true, err
}

// sumsSession is a session of n hosts whose segments are summed by chainedSums.
func sumsSession(t *testing.T, n, size int) (*session, []byte, []*chainedSink) {
	t.Helper()
	s, want := faultSession(t, n, size)
	s.src.Sums = newChainedSums()
	var sinks []*chainedSink
	for _, h := range s.hosts {
		f, err := os.Create(h.out)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		c := &chainedSink{f: f}
		sink := SegmentSink(c)
		h.sink, h.keep = &sink, true
		sinks = append(sinks, c)
	}
	return s, want, sinks
}

// TestSinkVerifiesBySumsOfItsOwn: with loss, so that segments come out of order, each is
// given once, with its digest and that of the segment before it.
func TestSinkVerifiesBySumsOfItsOwn(t *testing.T) {
	const size = 12<<20 + 4321
	s, want, sinks := sumsSession(t, 3, size)
	for i, h := range s.hosts {
		h.lose(0.02, uint64(i))
	}
	s.run()
	s.wantAll(want, s.hosts...)
	for i, c := range sinks {
		slices.Sort(c.order)
		if got := slices.Compact(slices.Clone(c.order)); len(got) != len(c.order) || len(got) != int(testGeometry.Segments(size)) {
			t.Errorf("host %d got segments at %v", i, c.order)
		}
		if n := s.hosts[i].result.Counters.BadSegments; n > 0 {
			t.Errorf("host %d: %d bad segments", i, n)
		}
	}
}

// TestFault48SumsOfItsOwnFindForgeries: as TestFault48ForgedWithTheGroupKey.
func TestFault48SumsOfItsOwnFindForgeries(t *testing.T) {
	const size = 12 << 20
	last := testGeometry.Blocks(size) - 1
	s, want, _ := sumsSession(t, 2, size)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := s.withRogue(t, func(r *rogue) {
		time.AfterFunc(400*time.Millisecond, cancel)
		r.forge(ctx, func(n int) (wire.Header, []byte) {
			return wire.Header{Type: wire.Data, Count: wire.BlockPackets, Block: wire.Block(n*7) % last, Index: wire.Index(n % 192)},
				bytes.Repeat([]byte{0xff}, wire.DefaultPayload)
		}, time.Millisecond)
		r.say(wire.Bye{Reason: wire.Interrupted})
		<-r.gone
	})
	s.run()
	wait()
	s.wantAll(want, s.hosts[0])
	if s.hosts[0].result.Counters.BadSegments == 0 {
		t.Error("no segment was spoiled")
	}
}

// TestSegmentThatIsBadOverTLSEndsIt: what comes from the sender alone and still has not
// the sender's own digest will never have it. The others go on (I2, I3).
func TestSegmentThatIsBadOverTLSEndsIt(t *testing.T) {
	const size = 6 << 20
	s, want, sinks := sumsSession(t, 2, size)
	sinks[1].spoil = func(off int64) bool { return off == 2*int64(testGeometry.SegmentSize()) }
	s.run()
	s.wantAll(want, s.hosts[0])
	if h := s.hosts[1]; !errors.Is(h.err, ErrRoot) || h.result.Counters.BadSegments != 1 {
		t.Errorf("got %v, %+v", h.err, h.result.Counters)
	}
	if r := s.resultOf(s.hosts[1]); r.Done || r.Reason != wire.Corrupt {
		t.Errorf("the sender says %+v", r)
	}
	if all := uint64(testGeometry.Blocks(size)) * wire.BlockPackets; s.hosts[1].result.Repairs > all/2 {
		t.Errorf("%d packets came over TLS", s.hosts[1].result.Repairs)
	}
}

// TestFault19SegmentSinkFails: what the sink cannot write is that host's end.
func TestFault19SegmentSinkFails(t *testing.T) {
	s, want, sinks := sumsSession(t, 2, 4<<20)
	full := errors.New("disk full")
	sinks[1].failed = full
	s.run()
	s.wantAll(want, s.hosts[0])
	if err := s.hosts[1].err; !errors.Is(err, full) || !errors.Is(err, ErrSink) {
		t.Errorf("got %v", err)
	}
}

// TestFault67SumsFindAChangedSource: the sending ends before the block is sent with which
// the sums find that the source is not what it should be.
func TestFault67SumsFindAChangedSource(t *testing.T) {
	s, want, sinks := sumsSession(t, 2, 6<<20)
	changed := errors.New("it changed")
	sums := newChainedSums()
	sums.bad, sums.after = changed, 3*testGeometry.SegmentSize()
	s.src.Sums = sums
	s.run()
	if !errors.Is(s.sendErr, changed) || !errors.Is(s.sendErr, ErrSource) {
		t.Errorf("sending: %v", s.sendErr)
	}
	for i, c := range sinks {
		if s.hosts[i].err == nil {
			t.Errorf("host %d has all of it", i)
		}
		for _, off := range c.order {
			if off >= int64(sums.after) || off >= int64(len(want)) {
				t.Errorf("host %d got a segment at %d", i, off)
			}
		}
	}
}
