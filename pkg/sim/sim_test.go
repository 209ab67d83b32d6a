package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/daisy-mcast/daisy-mcast/pkg/pace"
	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

var (
	seeds = flag.Int("sim.seeds", 300, "how many random sessions TestSeeds runs")
	seed  = flag.Uint64("sim.seed", 0, "the only seed that TestSeeds runs, to replay a failure")
)

const (
	mb      = 1 << 20
	gigabit = pace.Gbps // of most tests
)

// linkTime returns how long the first-sent data packets of a session take at a
// rate, headers counted.
func linkTime(r *Result, rate pace.Rate) time.Duration {
	return rate.Time(float64(r.Payload * (wire.DefaultPayload + wire.FrameOverhead)))
}

// mustFinish fails the test unless every host holds everything.
func mustFinish(t *testing.T, name string, r *Result) {
	t.Helper()
	if !r.Finished || r.LastDone() == 0 {
		t.Errorf("%s: not finished after %v: %+v", name, r.Time, r.Hosts[:min(len(r.Hosts), 4)])
	}
}

// pick returns one of some values.
func pick[T any](rnd *rand.Rand, values ...T) T { return values[rnd.IntN(len(values))] }

// randomConfig makes a session up from a seed. Everything that is not a crash has
// to end well.
func randomConfig(seed uint64) Config {
	rnd := rand.New(rand.NewPCG(seed, 42))
	n := 1 + rnd.IntN(pick(rnd, 2, 8, 24))
	cfg := Config{
		Seed: seed, Size: uint64(rnd.IntN(pick(rnd, 2000, mb, 6*mb))), Limit: 5 * time.Minute,
		Port:    Port{Rate: pick[pace.Rate](rnd, 10, 50, 200, 1000, 10000) * pace.Mbps, Queue: pick(rnd, 64, 256, 1024) << 10, Delay: pick[time.Duration](rnd, 20, 50, 500, 5000) * time.Microsecond},
		Control: pick[time.Duration](rnd, 100, 1000, 10000) * time.Microsecond,
		Uplink:  pick(rnd, 0, 0, 100*pace.Mbps, pace.Gbps),
		Bytes:   n <= 4 && rnd.IntN(3) == 0,
	}
	if rnd.IntN(4) == 0 {
		cfg.Mode, cfg.Slow = wire.Stream, 1 // Wait: in a stream the detached are lost
		cfg.Source = pick(rnd, 0, 20*pace.Mbps, 500*pace.Mbps)
	}
	if rnd.IntN(4) == 0 {
		cfg.Shared = randomFaults(rnd)
	}
	if rnd.IntN(5) == 0 {
		cfg.PoolSize = 17 + rnd.IntN(30)
	}
	common := randomFaults(rnd)
	for range n {
		h := Host{Faults: common}
		switch rnd.IntN(12) {
		case 0:
			h.Faults = randomFaults(rnd)
		case 1:
			h.OwnPort = &Port{Rate: cfg.Port.Rate / 10}
		}
		if cfg.Mode != wire.Stream {
			randomFate(rnd, &h)
		}
		cfg.Hosts = append(cfg.Hosts, h)
	}
	if h := &cfg.Hosts[rnd.IntN(n)]; rnd.IntN(4) == 0 {
		randomDisk(rnd, h, cfg.Port.Rate)
	}
	return cfg
}

func randomFaults(rnd *rand.Rand) (f Faults) {
	f.Loss = pick(rnd, 0, 0, 0.001, 0.01, 0.05, 0.2, 0.3)
	switch rnd.IntN(6) {
	case 0:
		f.BurstLen, f.BurstGap = pick[time.Duration](rnd, 1, 10, 50)*time.Millisecond, pick[time.Duration](rnd, 100, 500)*time.Millisecond
	case 1:
		f.Reorder, f.ReorderMin, f.ReorderMax = 0.1, 10*time.Millisecond, 100*time.Millisecond
	case 2:
		f.Duplicate = 0.5
	}
	return f
}

// randomDisk gives a host little memory before a disk that is slow, or pauses.
func randomDisk(rnd *rand.Rand, h *Host, link pace.Rate) {
	h.Pool = 1 + rnd.IntN(4)
	h.Disk = link / pick[pace.Rate](rnd, 0.5, 1.5, 10)
	h.DiskStopAt = time.Duration(rnd.IntN(200)) * time.Millisecond
	h.DiskContinueAt = h.DiskStopAt + time.Duration(rnd.IntN(1000))*time.Millisecond
}

func randomFate(rnd *rand.Rand, h *Host) {
	at := time.Duration(rnd.IntN(300)) * time.Millisecond
	switch rnd.IntN(16) {
	case 0:
		h.JoinAt = at
	case 1:
		h.StopAt, h.ContinueAt = at+1, at+time.Duration(rnd.IntN(5000))*time.Millisecond
	case 2:
		h.LeaveAt = at + 1
	case 3:
		h.Filtered, h.OwnPort = true, &Port{}
	case 4:
		h.Holds = rnd.Float64()
	}
}

// TestSeeds runs sessions with any mixture of faults. Each ends, with every byte at
// every host that did not crash; a seed that fails is printed and runs again by
// -sim.seed. It covers cases 10-12, 29-36, 42 and 44 of the fault catalogue.
func TestSeeds(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*seeds)
	if *seed != 0 {
		first, last = *seed, *seed
	}
	const lanes = 4
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			for n := first + lane; n <= last; n += lanes {
				if err := trySeed(n); err != nil {
					t.Errorf("seed %d: %v\nreplay with: go test ./pkg/sim -run TestSeeds -sim.seed=%d", n, err, n)
				}
			}
		})
	}
}

func trySeed(n uint64) (err error) {
	defer func() {
		if p := recover(); p != nil && *seed == 0 {
			err = fmt.Errorf("panic: %v", p)
		} else if p != nil {
			panic(p)
		}
	}()
	cfg := randomConfig(n)
	r := Run(cfg)
	if *seed != 0 {
		fmt.Fprintf(os.Stderr, "%+v\n%+v\n", cfg, r)
	}
	for i, h := range r.Hosts {
		c := cfg.Hosts[i]
		isLate := c.JoinAt > 0 && c.JoinAt >= r.Time-cfg.Control // all was over
		if h.DoneAt == 0 && c.LeaveAt == 0 && !isLate {
			return fmt.Errorf("host %d is not done after %v (finished %v): %+v, %+v", i, r.Time, r.Finished, c, h)
		}
	}
	if !r.Finished {
		return fmt.Errorf("the sender has not finished after %v", r.Time)
	}
	if r.BadCopies > 0 {
		return fmt.Errorf("%d hosts hold wrong bytes", r.BadCopies)
	}
	return nil
}

func TestOneSeedOneHistory(t *testing.T) {
	t.Parallel()
	hashes := make(map[uint64]bool)
	for seed := range uint64(8) {
		a, b := Run(randomConfig(seed+1)), Run(randomConfig(seed+1))
		if a.Hash != b.Hash || a.Time != b.Time || a.Sent != b.Sent {
			t.Errorf("seed %d: two histories: %x %v and %x %v", seed+1, a.Hash, a.Time, b.Hash, b.Time)
		}
		hashes[a.Hash] = true
	}
	if len(hashes) < 7 {
		t.Errorf("8 seeds made %d histories", len(hashes))
	}
	// A long pass for hosts that were detached, in which blocks come and go as they ask.
	hosts := Same(6, Faults{Loss: .05})
	for i := range hosts[:3] {
		hosts[i].OwnPort = &Port{Rate: gigabit / 10}
	}
	cfg := Config{Seed: 1, Hosts: hosts, Size: 64 * mb}
	if a, b := Run(cfg), Run(cfg); a.Hash != b.Hash || a.Hosts[0].Detached == 0 {
		t.Errorf("with a second pass: two histories: %x %v and %x %v; %+v", a.Hash, a.Time, b.Hash, b.Time, a.Hosts[0])
	}
}
