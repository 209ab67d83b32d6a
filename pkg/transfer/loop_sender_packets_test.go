package transfer

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTheTimeOfSendingIsNotSleptAgain: two senders have the same to send at the same
// moment, and the one whose packets take longer to leave waits shorter for the next.
func TestTheTimeOfSendingIsNotSleptAgain(t *testing.T) {
	const slowness = 300 * time.Microsecond
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		quick := loneSender(t, 16, func([]byte, int) {})
		slow := loneSender(t, 16, func([]byte, int) {
			runs++
			time.Sleep(slowness)
		})
		time.Sleep(5 * time.Millisecond) // packets are due
		quick.isBegun, slow.isBegun = true, true
		want := quick.turn() - slowness
		if got := slow.turn(); got != want || runs != 1 {
			t.Errorf("it waits for %v after %d runs, want %v after one", got, runs, want)
		}
	})
}
