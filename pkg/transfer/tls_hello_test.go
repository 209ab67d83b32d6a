package transfer

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestConnectingIsTriedAgainBeforeTheKernelDoes: two attempts get no answer, the third
// does, after 0.6 s; one that is refused is the caller's to repeat.
func TestConnectingIsTriedAgainBeforeTheKernelDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, tries := time.Now(), 0
		here, _ := net.Pipe()
		c, err := reach(t.Context(), func(ctx context.Context) (net.Conn, error) {
			if tries++; tries == 3 {
				return here, nil
			}
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		})
		if took := time.Since(begun); c != here || err != nil || took != 3*patience {
			t.Errorf("connected: %v (%v) after %v, want it after %v", c != nil, err, took, 3*patience)
		}
		tries = 0
		_, err = reach(t.Context(), func(context.Context) (net.Conn, error) {
			tries++
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
		if err == nil || tries != 1 {
			t.Errorf("refused: %v after %d attempts, want one", err, tries)
		}
	})
}

// TestConnectingEndsWithItsContext: nobody is tried for ever.
func TestConnectingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := reach(ctx, func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		})
		if took := time.Since(begun); err == nil || took != time.Second {
			t.Errorf("it ends with %v after %v, want an error after a second", err, took)
		}
	})
}
