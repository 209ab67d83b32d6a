package transfer

import (
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/rangeset"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// fetchRetry is how long a receiver waits for the next REPAIR before it asks again.
// The connection loses nothing, so this is for what the sender forgot.
const fetchRetry = 5 * time.Second

// Alone tells that multicast does not reach this host, or that it is served one to
// one from now on: it will fetch what it lacks.
func (r *Receiver) Alone() { r.isAlone = true }

// Fetch returns the packets to ask for at now, if any: after Alone whatever is
// lacking, otherwise what bad segments need. It is called after each REPAIR, and
// every now and then.
func (r *Receiver) Fetch(now time.Duration) (packets rangeset.Set, ok bool) {
	if !r.isEnded || !r.isAlone && len(r.bad) == 0 {
		return packets, false
	}
	if left := r.fetching.Len(); left != r.fetchLeft {
		r.fetchLeft, r.fetchAt = left, now
	}
	if r.fetching.Len() > fetchBatch/2 && now-r.fetchAt < fetchRetry {
		return packets, false
	}
	if now-r.fetchAt >= fetchRetry {
		r.fetching = rangeset.Set{}
	}
	left := fetchBatch - int(r.fetching.Len())
	for n := r.base; n < r.total && left > 0; n++ {
		if _, isBad := r.bad[uint32(n/wire.SegmentBlocks)]; !isBad && !r.isAlone {
			continue
		}
		left = r.fetchBlock(n, &packets, left)
	}
	if packets.Len() == 0 {
		return packets, false
	}
	r.fetchAt, r.fetchLeft = now, r.fetching.Len()
	return packets, true
}

// fetchBlock adds the packets that a block lacks, up to left, and returns how many
// more may be asked for. Its segment gets its room now: a packet that comes over the
// connection and has none would have to come again. Without room it is left for later.
func (r *Receiver) fetchBlock(n wire.Block, packets *rangeset.Set, left int) int {
	b := r.look(n)
	if b != nil && b.isFull {
		return left
	}
	if !r.admit(n) {
		return left
	}
	need := r.packetsOf(n)
	if b != nil && b.count > 0 {
		need = b.deficit()
	}
	for i := range wire.Index(r.packetsOf(n)) {
		if need == 0 || left == 0 {
			break
		}
		if b != nil && b.seen[i/64]&(1<<(i%64)) != 0 {
			continue
		}
		need--
		num := wire.PacketID{Block: n, Index: i}.Number()
		if r.fetching.Contains(num) {
			continue
		}
		packets.Add(num, num+1)
		r.fetching.Add(num, num+1)
		left--
	}
	return left
}
