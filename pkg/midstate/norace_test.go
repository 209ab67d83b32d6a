//go:build !race

package midstate

const raceEnabled = false
