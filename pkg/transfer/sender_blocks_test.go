package transfer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// A blockTest runs a sender's core and receivers' cores in virtual time, with hosts that
// fall silent, come late, break off and return, and a source that takes its time. It
// keeps the buffers as the loop does, and holds the core to what it promises of them: a
// packet's block is in memory, no block is there or asked for twice, and never more
// than the pool takes.
type blockTest struct {
	*testing.T
	*Sender
	rng    *rand.Rand
	now    time.Duration
	size   uint64
	pool   int
	isEnd  bool         // the source's end was seen
	asked  []wire.Block // in order, by one reader
	readAt time.Duration
	memory map[wire.Block]bool
	hosts  []*blockHost
	nextID HostID
}

// A blockHost is a receiver that has a connection, at times.
type blockHost struct {
	*Receiver
	id       HostID
	joinAt   time.Duration
	deaf     []time.Duration // from, to, from, to: nothing comes or goes
	breakAt  time.Duration   // 0: never
	loss     float64
	isJoined bool
	isAway   bool
	isOut    bool
}

func (h *blockHost) isDeaf(now time.Duration) bool {
	n := 0
	for n < len(h.deaf) && h.deaf[n] <= now {
		n++
	}
	return n%2 == 1
}

func newBlockTest(t *testing.T, seed uint64) *blockTest {
	rng := rand.New(rand.NewPCG(seed, 46))
	size := uint64((8+rng.IntN(72))*coreGeometry.BlockSize() - rng.IntN(coreGeometry.BlockSize()))
	b := &blockTest{T: t, rng: rng, size: size, pool: 2 + rng.IntN(30), memory: make(map[wire.Block]bool)}
	hosts := 2 + rng.IntN(4)
	mode, told := wire.File, size
	if rng.IntN(4) == 0 {
		mode, told = wire.Stream, 0
	}
	b.Sender = NewSender(SenderConfig{
		Geometry: coreGeometry, Mode: mode, Size: told, Receivers: hosts, PoolBlocks: b.pool,
		Initial: 300 * pace.Mbps, MaxRate: 600 * pace.Mbps, Slow: []SlowPolicy{Detach, Wait, Drop}[rng.IntN(3)],
	})
	for i := range hosts {
		h := &blockHost{id: HostID(i), loss: []float64{0, 0.01, 0.1}[rng.IntN(3)]}
		h.Receiver = NewReceiver(0, ReceiverConfig{Geometry: coreGeometry, Mode: mode, Size: told, Interval: b.Interval(), Phase: rng.Float64()})
		for seg := range coreGeometry.Segments(size) {
			if mode == wire.File && h.loss == 0 && rng.IntN(2) == 0 {
				h.SegmentVerified(seg) // from an earlier session
			}
		}
		if i > 0 && rng.IntN(2) == 0 {
			h.joinAt = b.moment()
		}
		for range 2 * rng.IntN(3) {
			h.deaf = append(h.deaf, b.moment())
		}
		slices.Sort(h.deaf)
		if rng.IntN(3) == 0 {
			h.breakAt = b.moment()
		}
		b.hosts = append(b.hosts, h)
	}
	b.nextID = HostID(hosts)
	return b
}

func (b *blockTest) moment() time.Duration {
	return time.Duration(b.rng.Int64N(int64(2 * time.Second)))
}

// read does what the loop does for the core's memory.
func (b *blockTest) read() {
	for n, ok := b.NextRead(); ok; n, ok = b.NextRead() {
		b.act()
		if b.memory[n] || slices.Contains(b.asked, n) {
			b.Fatalf("at %v block %d is asked for again", b.now, n)
		}
		b.asked = append(b.asked, n)
		if out := len(b.asked) + len(b.memory); out > b.pool {
			b.Fatalf("at %v %d blocks are out, %d may", b.now, out, b.pool)
		}
	}
	for len(b.asked) > 0 && b.readAt <= b.now {
		n := b.asked[0]
		b.asked = b.asked[1:]
		if last := coreGeometry.Blocks(b.size) - 1; n > last {
			b.Unread(n)
		} else {
			b.memory[n] = true
			b.BlockReady(b.now, n, coreGeometry.Packets(b.size, n))
			if n == last && b.cfg.Mode == wire.Stream {
				b.end()
			}
		}
		b.act()
		b.readAt = b.now + time.Duration(b.rng.Int64N(int64(6*time.Millisecond)))
		if b.rng.IntN(50) == 0 {
			b.readAt += 300 * time.Millisecond
		}
	}
}

// end tells all how long the stream is.
func (b *blockTest) end() {
	b.isEnd = true
	b.End(b.now, b.size)
	for _, h := range b.hosts {
		b.learn(h)
	}
}

func (b *blockTest) learn(h *blockHost) {
	if b.isEnd && h.isJoined {
		h.Receiver.End(b.size)
		b.complete(h, coreGeometry.Blocks(b.size)-1)
	}
}

func (b *blockTest) act() {
	for _, e := range b.Events() {
		i := slices.IndexFunc(b.hosts, func(h *blockHost) bool { return h.id == e.Host })
		switch e.Kind {
		case Released:
			if !b.memory[e.Block] {
				b.Fatalf("at %v block %d is released, and not there", b.now, e.Block)
			}
			delete(b.memory, e.Block)
		case Alone:
			b.hosts[i].Alone()
		case Failed:
			b.hosts[i].isOut = true
		}
	}
}

// connect lets hosts come, break off and come again.
func (b *blockTest) connect() {
	for _, h := range b.hosts {
		switch {
		case h.isOut:
		case !h.isJoined && b.now >= h.joinAt:
			h.isJoined = true
			held := h.Held()
			b.Join(b.now, h.id, held)
			b.learn(h)
			if h.isAway {
				h.isAway = false
				b.Back(b.now)
			}
		case h.isJoined && h.breakAt > 0 && b.now >= h.breakAt:
			h.isJoined, h.isAway, h.breakAt = false, true, 0
			h.Reconnected()
			h.joinAt = b.now + time.Duration(b.rng.Int64N(int64(time.Second)))
			b.Away(b.now, h.id)
			h.id = b.nextID
			b.nextID++
		}
	}
	b.act()
}

// send delivers what may leave now, and returns when more may.
func (b *blockTest) send() time.Duration {
	for {
		b.read()
		counter := b.Counter()
		id, ok, wait := b.NextPacket(b.now)
		if !ok {
			return wait
		}
		if !b.memory[id.Block] {
			b.Fatalf("at %v packet %v leaves, and its block is not in memory", b.now, id)
		}
		h := wire.Header{Type: wire.Data, Count: uint8(coreGeometry.Packets(b.size, id.Block)), Counter: counter, Block: id.Block, Index: id.Index}
		for _, r := range b.hosts {
			if r.isOut || r.isDeaf(b.now) || b.rng.Float64() < r.loss {
				continue
			}
			if r.Packet(b.now, h) == Complete {
				b.complete(r, id.Block)
			}
		}
	}
}

func (b *blockTest) complete(h *blockHost, n wire.Block) {
	if seg := uint32(n / wire.SegmentBlocks); h.IsSegmentComplete(seg) {
		h.SegmentVerified(seg)
	}
}

// repair delivers what single hosts fetch.
func (b *blockTest) repair() {
	for to, id, ok, _ := b.NextRepair(b.now); ok; to, id, ok, _ = b.NextRepair(b.now) {
		for _, h := range b.hosts {
			if h.id == to && h.Repair(id) == Complete {
				b.complete(h, id.Block)
			}
		}
	}
}

// listen delivers what hosts tell.
func (b *blockTest) listen() {
	for _, h := range b.hosts {
		if h.isOut || !h.isJoined || h.isDeaf(b.now) {
			continue
		}
		if h.Receiver.Finished() {
			h.isOut = true
			b.Done(b.now, h.id)
			continue
		}
		reports, maps := h.Receiver.Report(b.now)
		for _, r := range reports {
			b.Report(b.now, h.id, &r)
		}
		for _, m := range maps {
			b.Map(b.now, h.id, m)
		}
		if set, ok := h.Receiver.Fetch(b.now); ok {
			b.Fetch(b.now, h.id, set)
		}
	}
	b.act()
}

// run runs the session to its end.
func (b *blockTest) run() {
	b.connect()
	b.Start(0)
	for !b.Finished() {
		if b.now > 2*time.Minute {
			b.Fatalf("no end: pass %d, %d of %d blocks sent, %d asked, %d in memory, %d wanted", b.pass, b.nextSend, b.total, len(b.asked), len(b.memory), len(b.wanted))
		}
		b.connect()
		next := b.Tick(b.now)
		b.read()
		b.act()
		wait := min(b.send(), next-b.now)
		b.act()
		b.repair()
		b.listen()
		b.now += max(wait, 50*time.Microsecond)
	}
	for len(b.asked) > 0 { // the loop ends here; so does the reader
		b.now = max(b.now, b.readAt)
		b.read()
	}
}

// TestBlocksInMemory: see blockTest.
func TestBlocksInMemory(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newBlockTest(t, seed).run() })
	}
}
