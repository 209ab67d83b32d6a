package launch

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestFault73Cancelled: a start is cancelled while the new registry listens but
// is not ready. The old one serves again when Start returns, and the new one is not
// taken for another program on the port.
func TestFault73Cancelled(t *testing.T) {
	t.Parallel()
	modes(t, (*bench).cancelStart)
}

func (b *bench) cancelStart() {
	b.Helper()
	old := b.start()
	b.fault("500")
	b.spec.ReadyTimeout = time.Minute
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for ctx.Err() == nil {
			<-look.C
			sock, err := Listener(b.spec.Listen[0])
			if err == nil && sock.PID != 0 && sock.PID != old.PID {
				return
			}
		}
	}()
	_, err := Start(ctx, b.spec)
	cancel()
	<-watched
	var port *PortError
	if !errors.Is(err, context.Canceled) || errors.As(err, &port) {
		b.Errorf("got %v, want %v alone", err, context.Canceled)
	}
	b.wantServing(0)
}
