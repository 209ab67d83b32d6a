package transfer

import "time"

const (
	// PoolBytes is the default memory for packets on either side.
	PoolBytes = 64 << 20

	// maxDepth and depthTime bound the blocks that are interleaved: a burst of
	// loss is spread over as many as are sent in 20 ms.
	maxDepth  = 16
	depthTime = 20 * time.Millisecond

	// detachAfter is how long a host may lag, or lose far more than the others.
	detachAfter = 200 * time.Millisecond
	// lossyShare is how much more than twice the median loss is too much.
	lossyShare = 0.05
	// A detached host is attached again once it has done as well as the others for
	// wellTime, twice as long each further time, and lacks at most backShare of what
	// was sent: that much it costs them.
	wellTime  = time.Second
	backShare = 0.02
	// deafAfter is how long a host may report without any packet of the group,
	// while packets are sent.
	deafAfter = time.Second
	// maxPasses is how many times the detached are served as a group.
	maxPasses = 2

	// minSample is how many packets tell a rate, maxSampleTime how long they may
	// take to come.
	minSample     = 48
	maxSampleTime = 200 * time.Millisecond

	// flushTime is how long after the last packet another is sent, if hosts have
	// not told of the last ones: a report needs a counter to tell that earlier
	// packets are lost. maxFlushes is how often.
	flushTime  = 4 * time.Millisecond
	maxFlushes = 3

	// tickTime is the longest time between two Ticks of a sender at work.
	tickTime = 2 * time.Millisecond
	// idleResend is how often a packet is sent again while every host is silent,
	// so that those that come back have something to report against.
	idleResend = 20 * time.Millisecond

	// maxActive bounds the blocks under repair at one time, so that they fit
	// into the pools of both sides.
	maxActive = 48
	// tailTime, beside a report interval, is how long before the stream's end a
	// report comes too late to be waited for.
	tailTime = 10 * time.Millisecond
	// repairShare is the part of the rate that one-to-one repairs over TCP take
	// while others are served by multicast.
	repairShare = 0.04
	// maxFetch bounds the packets that one host may have asked for at a time.
	maxFetch = 4096
	// fetchBudget is how often a host may get the whole stream one to one. One that
	// lost all of it, and some segments again, needs it twice.
	fetchBudget = 4
	// A host may ask the group for askFactor times as many packets as it says to have
	// lost, for askShare of all that were sent, and for askFree, since what comes late
	// is asked for in vain; and for askBudget times the whole stream, whatever it says.
	// One that asks for more is served alone (fault 57). In a stream it would be failed:
	// there it may ask for askStream times of it, as one that loses nine of ten does.
	askFactor = 2
	askShare  = 0.05
	askFree   = 4096
	askBudget = 4
	askStream = 16
	// stallLimit is how long a host that is there may make no step, while there is
	// something to send to it: its disk, or who reads from it, has stopped for good.
	stallLimit = 10 * time.Minute
	// syncLimit is how long it may take to verify, write and sync the last of what it
	// says to hold: memory full of unwritten pages on a slow disk takes minutes.
	syncLimit = 30 * time.Minute
	// fetchBatch is how many packets a receiver asks for at a time.
	fetchBatch = 1024

	// maxMaps bounds the maps that go with one report. A thousand hosts send no
	// more of them than 40,000 a second, 1.2 MB.
	maxMaps = 64
	// stuckReports is after how many reports that told the same of a block its map
	// goes with them: all of the last rows may have been lost.
	stuckReports = 4
	// quietReports is after how many intervals a host reports although it has
	// nothing to tell: silence stands out.
	quietReports = 4
	// mapRow is the row from which on a host adds the map of a block that it
	// still cannot solve.
	mapRow = 48

	// Bounds of the reorder allowance: how much older than now a report's
	// counter is.
	maxReorder   = 150 * time.Millisecond
	snapshotTime = 2 * time.Millisecond
	snapshots    = 128
	// markBack is how far before a report its mark was taken, where reports are
	// rarer than twice that.
	markBack = 12 * time.Millisecond
	// markTime is how long a session's reports come with marks.
	markTime = 2 * time.Second
)

// sentTimes is how many of the last packets' times the sender keeps: 0.3 s at
// 10 Gb/s. A power of two.
const sentTimes = 1 << 18
