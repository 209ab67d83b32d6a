//go:build race

package multicast

// raceEnabled: the race detector makes sync.Pool forget, so allocations happen.
const raceEnabled = true
