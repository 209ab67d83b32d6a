package pace

import "time"

// burstTime is how long the packets of one burst may take at the rate: a thread
// that sleeps for 250 us wakes up after 330, and a burst has to last until then.
const burstTime = 250 * time.Microsecond

// Bounds of a burst, in packets. Below, a wake-up is spent on too little; 44 full
// packets are what UDP_SEGMENT takes at once, and fit a switch's port.
const (
	minBurst = 8
	maxBurst = 44
)

// How much of a pause a sender may make up for. One that seals and sends a burst and
// sleeps is away for 360 us at times; what it then may not catch up with is lost from
// the rate (a quarter of it at 1 Gb/s): creditTime, of at most two bursts of 44
// packets, 133 KB, which still fit a port with 256 KB. On a busy machine it is away
// for a slice of the scheduler, 3 ms: busyTime, of at most one such burst.
const (
	creditTime = time.Millisecond
	busyTime   = 4 * time.Millisecond
)

// A Bucket says when packets may leave so that they keep a rate on average and
// come in bursts of at most 250 us or 8 to 44 packets, more of them after a pause.
// The zero value is not usable.
type Bucket struct {
	frame  float64 // bytes of a packet
	rate   Rate
	tokens float64 // bytes; -frame < tokens <= credit
	at     time.Duration
}

// NewBucket returns a bucket for packets of frameBytes at a rate, which begins
// full.
func NewBucket(frameBytes int, rate Rate) Bucket {
	b := Bucket{frame: float64(frameBytes), rate: rate}
	b.tokens = b.burst()
	return b
}

// SetRate changes the rate from now on.
func (b *Bucket) SetRate(now time.Duration, rate Rate) {
	b.fill(now)
	b.rate = rate
	b.tokens = min(b.tokens, b.credit())
}

// Take takes a packet's worth and returns 0 when one may leave now, or else how
// long to wait. After an empty bucket it waits for half a burst, so that packets
// leave together.
func (b *Bucket) Take(now time.Duration) time.Duration {
	b.fill(now)
	if b.tokens >= b.frame {
		b.tokens -= b.frame
		return 0
	}
	return max(b.rate.Time(b.burst()/2-b.tokens), time.Microsecond)
}

// Slot returns when the packet that was taken last would have left if packets came
// evenly spread. Times that are compared with arrivals behind a queue are better
// taken from it: the queue spreads the burst out again.
func (b *Bucket) Slot() time.Duration { return b.at - b.rate.Time(max(b.tokens, 0)) }

func (b *Bucket) fill(now time.Duration) {
	if now > b.at {
		b.tokens = min(b.credit(), b.tokens+float64(b.rate)*(now-b.at).Seconds())
		b.at = now
	}
}

// credit returns the most that a pause is good for, in bytes.
func (b *Bucket) credit() float64 {
	return max(b.burst(), min(float64(b.rate)*creditTime.Seconds(), 2*maxBurst*b.frame),
		min(float64(b.rate)*busyTime.Seconds(), maxBurst*b.frame))
}

// burst returns the most that leaves at once without a pause before, in bytes.
func (b *Bucket) burst() float64 { return Burst(int(b.frame), b.rate) }

// Burst returns the bytes that leave at once at a rate, in packets of frameBytes.
func Burst(frameBytes int, rate Rate) float64 {
	f := float64(frameBytes)
	return min(max(float64(rate)*burstTime.Seconds(), minBurst*f), maxBurst*f)
}
