//go:build !race

package transfer

// raceCost is how much more of a processor a test may need.
const raceCost = 1
