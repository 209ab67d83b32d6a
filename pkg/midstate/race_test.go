//go:build race

package midstate

// raceEnabled: the compiler, when it instruments, makes the slice that crypto/sha256
// appends a made slice of.
const raceEnabled = true
