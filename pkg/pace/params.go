package pace

import "time"

const (
	// DefaultInitial is where the search begins: 25 ms of it are about the
	// buffer of a switch's port, so that even a link of a tenth loses little.
	DefaultInitial = 100 * Mbps
	// DefaultMin is the least rate that a group is held at.
	DefaultMin = Mbps

	// startGain is the growth of a round of the start-up.
	startGain = 2
	// startFull is the share of what was sent that has to arrive in time, else
	// the link is full.
	startFull = 0.85
	// guessLoss is the share of loss at the end of the start-up beyond which what arrived
	// tells little of the link: where another fills the queue it is next to nothing.
	guessLoss = 0.8
	// drownLoss is the share of loss from which on nobody asks for more rate.
	drownLoss = 0.5
	// startExcess is the share of loss beyond the link's own that shows a full
	// link, without a queue being seen.
	startExcess = 0.03
	// cruiseGain leaves a queue that some burst made the room to drain.
	cruiseGain = 0.997
	// drainGain empties the queue that the start-up left, easeGain that of a
	// probe, stayGain one that stayed.
	drainGain = 0.6
	easeGain  = 0.9
	stayGain  = 0.75

	// queueBudget is how many bytes a probe puts into the queue at most, beside
	// one burst: a quarter of the 256 KB that a plain switch has for a port.
	queueBudget = 64 << 10
	// probeShare is the share of the limit that has to be sent in a probe, else it
	// was none.
	probeShare = 0.9
	// roomPackets is the length, in packets, of a probe for room in the hosts' memory:
	// one without room refuses the first.
	roomPackets = 12
	// minExcess is the least queue that a probe makes, in bytes: more than what the
	// times of packets that come in bursts tell wrongly.
	minExcess = 32 << 10
	// hiddenBurst is what a shaper on the way may let through before it holds
	// anything back: a probe that is to show a queue sends so much more.
	hiddenBurst = 64 << 10
	// samplePackets is the least number of packets of a sample.
	samplePackets = 48
	// maxBudget bounds a probe after others have found no queue.
	maxBudget = 1 << 20
	// startBuffer is the queue that is expected after the start-up.
	startBuffer = 256 << 10
	// maxProbe bounds a probe in shares of the rate; after each success the next
	// may be twice as much, up to the rate itself.
	maxProbe = 0.25
	// Bounds of the time between two probes: it doubles when one fails.
	minProbeGap = 60 * time.Millisecond
	maxProbeGap = time.Second
	// maxDrain bounds a time of draining, should another's packets be the queue.
	maxDrain = 500 * time.Millisecond

	// A test sends testGain of the limit for a round, at most every testGap but after one
	// that lowered it, if the median host loses testLoss or more, or twice that in one
	// sample.
	testGain = 0.75
	testGap  = 2 * time.Second
	testLoss = 0.02

	// Somebody else fills the queue if it does not go at takenBrakes attempts, or at
	// takenAgain where another did within cededTime.
	takenBrakes = 3
	takenAgain  = 2
	cededTime   = 3 * time.Second
	// A host that kept up, and now has lagged for crowdTime behind a queue of longWait,
	// 256 KB at 100 Mb/s, may be crowded out by another. Where another is, its owner waits
	// for crowdPatience until it has a fair share, nearly half of what the link gave before,
	// or crowdTrips times its queue while it has not half of that.
	crowdTime     = 100 * time.Millisecond
	longWait      = 20 * time.Millisecond
	crowdPatience = time.Second
	crowdTrips    = 4
	fairShare     = 0.45
	// A queue of residueTime, or of minResidue bytes, is none.
	residueTime = 2 * time.Millisecond
	minResidue  = 8 << 10
	// While another does: the rate grows by growShare of the link's each growGap up to
	// half of it, or goes down to half by cedeShare, and is cut to cutGain when the
	// queue overflows, at most each cutGap. It is over when no queue was seen for
	// freeTime.
	growShare = 0.02
	cedeShare = 0.05
	growGap   = 50 * time.Millisecond
	cutGain   = 0.85
	cutGap    = 100 * time.Millisecond
	freeTime  = 200 * time.Millisecond

	// markedShare is the share of marked packets that counts.
	markedShare = 0.002
	// maxBrake is the most that marks take off the rate in one round.
	maxBrake = 0.1

	// lookTime is how often the hosts' samples are looked at, at most.
	lookTime = 5 * time.Millisecond

	// takeTime is over how long it is averaged what a host takes that is behind its
	// disk: room comes by the segment, of 1.1 MB.
	takeTime = 100 * time.Millisecond
	// takeGain leaves such a host the time to make some room.
	takeGain = 0.97

	// restShare is the least share of the rate that it falls to for such a host.
	restShare = 1.0 / 128

	// roundHosts is how many hosts' samples make a round in the start-up.
	roundHosts = 5
	// freshShare is the share of a sample that has to be sent at the round's rate.
	freshShare = 0.7
	// lagShare is the share of the median rate under which a host lags.
	lagShare = 0.5
	// delayWindow is how long the least delay of a host is believed: clocks
	// drift apart by some 50 us a second.
	delayWindow = 5 * time.Second
)
