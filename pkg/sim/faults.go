package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// A dice throws a Faults' faults. Loss is thrown for the next lost packet, not for
// each: a thousand hosts throw a hundred times less.
type dice struct {
	f         Faults
	rnd       *rand.Rand
	untilLoss int
	burstFrom time.Duration
	burstEnd  time.Duration
	stallFrom time.Duration
	stallEnd  time.Duration
}

func newDice(f Faults, seed, stream uint64) dice {
	d := dice{f: f, rnd: rand.New(rand.NewPCG(seed, stream))}
	d.throwLoss()
	if f.BurstGap > 0 {
		d.throwBurst(0)
	}
	if f.StallGap > 0 {
		d.throwStall(0)
	}
	return d
}

func (d *dice) throwLoss() {
	if d.f.Loss <= 0 {
		d.untilLoss = math.MaxInt
		return
	}
	d.untilLoss = int(math.Log(1-d.rnd.Float64()) / math.Log(1-d.f.Loss))
}

func (d *dice) throwBurst(after time.Duration) {
	d.burstFrom = after + time.Duration(d.rnd.ExpFloat64()*float64(d.f.BurstGap))
	d.burstEnd = d.burstFrom + d.f.BurstLen
}

func (d *dice) throwStall(after time.Duration) {
	d.stallFrom = after + time.Duration(d.rnd.ExpFloat64()*float64(d.f.StallGap))
	d.stallEnd = d.stallFrom + time.Duration(d.rnd.ExpFloat64()*float64(d.f.StallLen))
}

// stalls returns when that is noticed what comes at a time.
func (d *dice) stalls(at time.Duration) time.Duration {
	if d.f.StallGap == 0 {
		return at
	}
	for at >= d.stallEnd {
		d.throwStall(d.stallEnd)
	}
	if at >= d.stallFrom {
		return d.stallEnd
	}
	return at
}

// loses reports whether the next packet, at a time, is lost.
func (d *dice) loses(at time.Duration) bool {
	if d.f.BurstGap > 0 {
		for at >= d.burstEnd {
			d.throwBurst(d.burstEnd)
		}
		if at >= d.burstFrom {
			return true
		}
	}
	if d.untilLoss > 0 {
		d.untilLoss--
		return false
	}
	d.throwLoss()
	return true
}

func (d *dice) hits(share float64) bool { return share > 0 && d.rnd.Float64() < share }

// lateness returns by how much a packet that is reordered comes late.
func (d *dice) lateness() time.Duration {
	return d.f.ReorderMin + time.Duration(d.rnd.Int64N(int64(d.f.ReorderMax-d.f.ReorderMin)+1))
}
