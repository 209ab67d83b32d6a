package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/agent/message"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset"
	"github.com/daisy-mcast/daisy-mcast/pkg/imageset/sample"
	"github.com/daisy-mcast/daisy-mcast/pkg/store"
	"github.com/daisy-mcast/daisy-mcast/pkg/transfer"
	"github.com/daisy-mcast/daisy-mcast/test/port"
)

// A forgedOutput is a sink that gets its second and its fourth segment with a byte that
// is not the sender's, as a member of the group could have sent it.
type forgedOutput struct {
	*imageset.Sink
	seen  map[int64]int // how often the segment at each offset came
	calls int
	taken int // of the forged ones
}

func (f *forgedOutput) WriteSegment(p []byte, off int64, before, sum [sha256.Size]byte) (bool, error) {
	f.seen[off]++
	if f.calls++; f.calls != 2 && f.calls != 4 {
		return f.Sink.WriteSegment(p, off, before, sum)
	}
	forged := slices.Clone(p)
	forged[len(p)/2] ^= 1
	isGood, err := f.Sink.WriteSegment(forged, off, before, sum)
	if isGood {
		f.taken++
	}
	return isGood, err
}

// A carriage is what became of a pack.
type carriage struct {
	got               imageset.SinkResult
	sendErr, recvdErr error
}

// carry sends blobs from one store to another by the native carrier, to a host that has
// a list of them, and gives what comes to what wrap makes of its sink.
func carry(t *testing.T, from, to *store.Store, sent, listed []store.Blob, wrap func(*imageset.Sink) output) (c carriage) {
	t.Helper()
	pack, err := imageset.NewPack(sent)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := imageset.NewPack(listed)
	if err != nil {
		t.Fatal(err)
	}
	var ids [2]*transfer.Identity
	for i := range ids {
		if ids[i], err = transfer.NewIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	sender := netip.MustParseAddr("127.0.0.1")
	shared := port.Free(t)
	way := message.Carrier{
		Protocol: "native", TTL: 1, Pin: ids[0].Pin().String(),
		Sender: netip.AddrPortFrom(sender, shared), Group: netip.AddrPortFrom(transfer.DefaultGroup(), shared),
	}
	ln, err := listenTCP(way)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, c.sendErr = nativeCarrier{id: ids[0]}.send(ctx, message.Send{
			Carrier: way, Clients: []netip.Addr{hostAddress(0)}, Pins: []string{ids[1].Pin().String()},
			JoinTimeout: 10 * time.Second, MaxRate: 800_000_000,
		}, ln, source{pack, from}, func(int64, int64) {})
	})
	sink := imageset.NewSink(expected, to, nil)
	finish := sync.OnceValue(sink.Close)
	_, c.recvdErr = nativeCarrier{id: ids[1]}.receive(ctx, message.Receive{Carrier: way, LocalIP: hostAddress(0)},
		wrap(sink), finish, func(int64) {})
	if err := finish(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	c.got = sink.Result()
	return c
}

// bigSet is a set of some segments' size in a store, and an empty store.
func bigSet(t *testing.T) (from, to *store.Store, set *store.Set) {
	t.Helper()
	n := newNode(t, t.TempDir(), senderAddress)
	set = n.imported(writeBundle(t, sample.Options{Count: 4, LayerSize: 3 << 20}))
	to, err := store.Create(store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	return n.store(), to, set
}

// TestFault48ForgedSegmentsOfAPack: forged segments are found before anything of them is
// used, each is asked for again, and every blob comes to be what its digest says.
func TestFault48ForgedSegmentsOfAPack(t *testing.T) {
	from, to, set := bigSet(t)
	f := &forgedOutput{seen: make(map[int64]int)}
	c := carry(t, from, to, set.Blobs, set.Blobs, func(s *imageset.Sink) output {
		f.Sink = s
		return f
	})
	if c.recvdErr != nil || c.sendErr != nil || len(c.got.Committed) != len(set.Blobs) {
		t.Fatalf("%+v", c)
	}
	again := 0
	for _, times := range f.seen {
		again += times - 1
	}
	if again != 2 || f.taken > 0 {
		t.Errorf("%d of %d segments came again, %d forged ones were taken", again, len(f.seen), f.taken)
	}
	if err := to.VerifyBlobs(t.Context(), set.Blobs, 2); err != nil {
		t.Error(err)
	}
}

// TestPackOfAnotherList: a sender whose bytes are not those of the host's list, though
// they are what it says they are, brings no blob into the store that is not on the list,
// and is not asked for ever.
func TestPackOfAnotherList(t *testing.T) {
	from, to, set := bigSet(t)
	listed := slices.Clone(set.Blobs)
	big := slices.IndexFunc(listed, func(b store.Blob) bool { return b.Size > 2<<20 })
	listed[big].Digest = store.DigestOf([]byte("another"))
	c := carry(t, from, to, set.Blobs, listed, func(s *imageset.Sink) output { return s })
	if !errors.Is(c.recvdErr, transfer.ErrRoot) {
		t.Errorf("got %v", c.recvdErr)
	}
	if !slices.Contains(c.got.Missing, listed[big].Digest) {
		t.Errorf("got %+v", c.got)
	}
	for _, d := range []store.Digest{listed[big].Digest, set.Blobs[big].Digest} {
		if _, err := to.Stat(d); err == nil {
			t.Errorf("%s is in the store", d)
		}
	}
}
