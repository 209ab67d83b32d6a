package main

import "time"

// A scene is a network and what is sent over it. In each round, one TCP stream
// of the same bytes goes first, without loss, to one receiver.
type scene struct {
	name  string
	hosts int   // receivers
	mbit  int   // rate of the sender's link in Mb/s; 0: unshaped, and offloads are on
	size  int64 // bytes
	shots []shot
	rows  []row
}

// A shot is one transfer of a round.
type shot struct {
	carrier carrier
	hosts   int     // the first of the scene's; all if zero
	loss    float64 // percent, at each receiver for itself
}

// A row is one line of the table, about one shot.
type row struct {
	title  string
	shot   int
	value  func(r round, shot int) float64
	target target
}

// A target is a bound; the zero value is none.
type target struct {
	least, most float64
}

func atLeast(v float64) target { return target{least: v} }
func atMost(v float64) target  { return target{most: v} }

const (
	mib = 1 << 20
	gib = 1 << 30
)

// scenes is all that is measured.
func scenes() []scene {
	return []scene{
		{
			name: "4x1G", hosts: 4, mbit: 1000, size: 512 * mib,
			shots: []shot{{carrier: native()}, {carrier: native(), loss: 1}, {carrier: bare()}},
			rows: []row{
				{"4 hosts, 1 Gb/s, 512 MiB, no loss: TCP's time / ours", 0, ofTCP, atLeast(0.93)},
				{"4 hosts, 1 Gb/s, 512 MiB, 1 % loss: TCP's loss-free time / ours", 1, ofTCP, atLeast(0.90)},
				{"bare sockets to 4 hosts, 1 Gb/s: Gb/s of payload that arrive", 2, gigabits, target{}},
			},
		},
		{
			name: "16x200M", hosts: 16, mbit: 200, size: 128 * mib,
			shots: []shot{
				{carrier: native()}, {carrier: native(), loss: 1}, {carrier: native(), loss: 5},
				{carrier: native(), loss: 1, hosts: 1},
			},
			rows: []row{
				{"16 hosts, 200 Mb/s, 128 MiB, no loss: TCP's time / ours", 0, ofTCP, atLeast(0.93)},
				{"16 hosts, 200 Mb/s, 128 MiB, 1 % loss: TCP's loss-free time / ours", 1, ofTCP, atLeast(0.88)},
				{"time for 16 hosts / time for 1 host, 1 % loss", 1, timesShot(3), atMost(1.05)},
				{"bytes sent / payload, 16 hosts, no loss", 0, egress, atMost(1.07)},
				{"bytes sent / payload, 16 hosts, 1 % loss", 1, egress, atMost(1.10)},
				{"bytes sent / payload, 16 hosts, 5 % loss", 2, egress, atMost(1.17)},
			},
		},
		{
			name: "48x50M", hosts: 48, mbit: 50, size: 64 * mib,
			shots: []shot{{carrier: native(), loss: 1}},
			rows: []row{
				{"48 hosts, 50 Mb/s, 64 MiB, 1 % loss: TCP's loss-free time / ours", 0, ofTCP, atLeast(0.88)},
			},
		},
		{
			name: "fast", hosts: 2, size: 4 * gib,
			shots: []shot{{carrier: native()}, {carrier: bare()}},
			rows: []row{
				{"2 hosts, unshaped, offloads on, 4 GiB to memory: Gb/s", 0, gigabits, atLeast(5)},
				{"the same, as a share of the bare sockets' rate", 0, rateOverShot(1), target{}},
				{"bare sockets to 2 hosts: Gb/s that arrive", 1, gigabits, target{}},
			},
		},
		{
			name: "fixed", hosts: 4, mbit: 1000, size: mib,
			shots: []shot{{carrier: native()}},
			rows:  []row{{"fixed cost, 1 MiB to 4 hosts: s", 0, seconds, atMost(0.3)}},
		},
		{
			name: "sim", size: gib,
			shots: []shot{{carrier: simulated(), hosts: 1000, loss: 1}},
			rows: []row{
				{"1000 hosts simulated, 1 Gb/s, 1 GiB, 1 % loss: time / data packets' at link rate", 0, simulatedTime, atMost(1.06)},
			},
		},
		{
			name: "jasmine", hosts: 4, mbit: 1000, size: 256 * mib,
			shots: []shot{{carrier: daisys()}},
			rows: []row{
				{"Daisy's protocol, 4 hosts, 1 Gb/s, 256 MiB: our time / TCP's", 0, overTCP, atMost(3.1)},
			},
		},
	}
}

// The values of rows.

func ofTCP(r round, shot int) float64   { return ratio(r.tcp.took, r.shots[shot].took) }
func overTCP(r round, shot int) float64 { return ratio(r.shots[shot].took, r.tcp.took) }
func seconds(r round, shot int) float64 { return r.shots[shot].took.Seconds() }
func egress(r round, shot int) float64  { return float64(r.shots[shot].sent) / float64(r.size) }

func gigabits(r round, shot int) float64 {
	return float64(r.shots[shot].arrived) * 8 / 1e9 / r.shots[shot].took.Seconds()
}

// simulatedTime is the time of the clock that was simulated, over the ideal.
func simulatedTime(r round, shot int) float64 { return r.shots[shot].simulated }

func timesShot(other int) func(round, int) float64 {
	return func(r round, shot int) float64 { return ratio(r.shots[shot].took, r.shots[other].took) }
}

func rateOverShot(other int) func(round, int) float64 {
	return func(r round, shot int) float64 { return gigabits(r, shot) / gigabits(r, other) }
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
